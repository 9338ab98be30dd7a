#!/usr/bin/env bash
# S1 and S2: what a million nodes do to latency during snapshots, and to the time of a start.
#
#   BENCH_TOOLS=DIR bench/million.sh [NODES]
#
# DIR holds zkload and apache-ensemble.sh (the neutral load generator and the other side). Debian's ZooKeeper and a JRE
# are needed for the other side. Everything is on 127.0.0.1 and under a temporary directory that is removed.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
tools=${BENCH_TOOLS:?the directory of zkload and apache-ensemble.sh}
nodes=${1:-1000000}
work=$(mktemp -d "${TMPDIR:-/tmp}/vivarium-million.XXXXXX") || exit 1
trap 'stop_all; rm -rf "$work"' EXIT
export BENCH_HEAP_MB=2048

side() {   # side NAME VERB
  local port=23810 command=$here/bench/side.sh
  if [ "$1" = apache ]; then port=23910 command=$tools/apache-ensemble.sh; fi
  BENCH_BASE_PORT=$port BENCH_DATA_DIR=$work/$1 "$command" "$2"
}
stop_all() { side ours stop; side apache stop; } > /dev/null 2>&1
load() { "$tools/zkload" --hosts "$1" "${@:2}" --kv 2>&1; }
value() { sed -n "s/^$1=//p" <<< "$2"; }

# W4 for so long that several snapshots of all nodes begin and end in it (snapCount is 100,000).
for name in ours apache; do
  side "$name" start || exit 1
  hosts=$(side "$name" connect-string)
  load "$hosts" --preload "$nodes" --value 100 --sessions 8 --depth 100 --fanout 1000 --keep > "$work/out" || cat "$work/out"
  sleep 5
  for mix in read=90,write=10 write=100; do
    out=$(load "$hosts" --sessions 16 --depth 64 --value 1024 --nodes 1000 --mix "$mix" --seconds 20 --warmup 3)
    echo "S1 $name, $nodes nodes, $mix: $(value primary_per_s "$out") ops/s, p50 $(value p50_us "$out") us," \
      "p99 $(value p99_us "$out") us, p999 $(value p999_us "$out") us, max $(value max_us "$out") us"
  done
  [ "$name" = ours ] && kill -0 "$(side ours pids)" && cp -r "$work/ours/1/data" "$work/saved-data" && cp -r "$work/ours/1/log" "$work/saved-log"
  side "$name" stop
done

# The same directory for both, as ours left it while it ran: the start of a server that had been killed.
serves() { timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf srvr >&3 && cat <&3' _ "$1" 2>/dev/null | grep -q '^Mode:'; }
for round in 1 2 3; do
  for name in ours apache; do
    rm -rf "$work/run" && mkdir "$work/run"
    cp -r "$work/saved-data" "$work/run/data" && cp -r "$work/saved-log" "$work/run/log"
    printf '%s\n' "dataDir=$work/run/data" "dataLogDir=$work/run/log" clientPort=23810 clientPortAddress=127.0.0.1 \
      tickTime=2000 '4lw.commands.whitelist=*' admin.enableServer=false > "$work/run/zoo.cfg"
    sync
    began=$(date +%s%N)
    if [ "$name" = ours ]; then node "$here/dist/cli/main.js" serve --log-level warn "$work/run/zoo.cfg" > "$work/run/out" 2>&1 &
    else
      java -Xmx2048m -cp "$work/run:/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar" \
        org.apache.zookeeper.server.ZooKeeperServerMain "$work/run/zoo.cfg" > "$work/run/out" 2>&1 &
    fi
    pid=$!
    until serves 23810; do kill -0 "$pid" || { cat "$work/run/out"; exit 1; }; sleep 0.02; done
    echo "S2 round $round, $name: $((($(date +%s%N) - began) / 1000000)) ms to serve $nodes nodes"
    kill "$pid"; wait "$pid" 2>/dev/null
  done
done
