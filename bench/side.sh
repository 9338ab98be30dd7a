#!/usr/bin/env bash
# This server as a side of a comparison: a verb is appended as the last argument, the environment says what to run.
#
#   BENCH_SERVERS (1)  BENCH_BASE_PORT (22810)  BENCH_DATA_DIR  BENCH_HEAP_MB  BENCH_ZOOCFG ("key=value;...")
#
#   start  stop  connect-string  pids  status  settle     and, of one server: stop-member I  start-member I  restart-member I
#
# With 3 or 5 servers they are a real ensemble, each a process of its own.
# Same rules as for any side: fsync before a write is acknowledged, snapshots on, warnings to a file, no client limit,
# log and snapshots in directories of their own, tickTime 2000.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
verb=${1:-}
member=${2:-}
servers=${BENCH_SERVERS:-1}
base=${BENCH_BASE_PORT:-22810}
dir=${BENCH_DATA_DIR:-${TMPDIR:-/tmp}/zkbench-vivarium-$base}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
node=${NODE:-node}
START_TIMEOUT=60

die() { echo "vivarium-side: $*" >&2; exit 1; }
start_time() { awk '{ sub(/^.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }
# The pid of member $1, if it is still the process that start made.
live_pid() {
  local pid t
  read -r pid t 2>/dev/null < "$dir/$1/pid" || return 1
  [ -n "$pid" ] && [ -n "$t" ] && [ "$(start_time "$pid")" = "$t" ] && echo "$pid"
}
client_port() { echo $((base + $1 - 1)); }
mode_of() {
  timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf srvr >&3 && cat <&3' _ "$(client_port "$1")" 2>/dev/null |
    sed -n 's/^Mode: //p'
}
# What start noted, for the other verbs.
count() { [ -r "$dir/servers" ] && read -r servers base < "$dir/servers"; }
members() { seq "$servers"; }

write_config() {
  local i=$1 j
  mkdir -p "$dir/$i/data" "$dir/$i/log" || exit 1
  {
    printf 'dataDir=%s/data\ndataLogDir=%s/log\n' "$dir/$i" "$dir/$i"
    printf 'clientPort=%s\nclientPortAddress=127.0.0.1\n' "$(client_port "$i")"
    printf 'tickTime=2000\nmaxClientCnxns=0\n4lw.commands.whitelist=*\nadmin.enableServer=false\n'
    if [ "$servers" -gt 1 ]; then
      printf 'initLimit=10\nsyncLimit=5\n'
      for j in $(members); do echo "server.$j=127.0.0.1:$((base + 10 + j)):$((base + 20 + j))"; done
    fi
    tr ';' '\n' <<< "${BENCH_ZOOCFG:-}"
  } > "$dir/$i/zoo.cfg"
  echo "$i" > "$dir/$i/data/myid"
}

launch() {
  local i=$1 heap= pid
  [ -z "${BENCH_HEAP_MB:-}" ] || heap=--max-old-space-size=$BENCH_HEAP_MB
  # shellcheck disable=SC2086
  setsid "$node" $heap "$here/dist/cli/main.js" serve --log-level warn "$dir/$i/zoo.cfg" >> "$dir/$i/out" 2>&1 < /dev/null &
  pid=$!
  echo "$pid $(start_time "$pid")" > "$dir/$i/pid"
}

# Until the given members serve: of an ensemble that takes a leader.
wait_serving() {
  local end=$((SECONDS + START_TIMEOUT)) i
  for i in "$@"; do
    until [ -n "$(mode_of "$i")" ]; do
      live_pid "$i" > /dev/null || { tail -5 "$dir/$i/out" >&2; return 1; }
      [ $SECONDS -lt $end ] || { echo "server $i does not serve after $START_TIMEOUT s" >&2; return 1; }
      sleep 0.1
    done
  done
}

stop_member() {
  local i=$1 pid
  if pid=$(live_pid "$i"); then
    kill "$pid"
    for _ in $(seq 100); do live_pid "$i" > /dev/null || break; sleep 0.1; done
    if pid=$(live_pid "$i"); then kill -9 "$pid"; sleep 0.2; fi
  fi
  rm -f "$dir/$i/pid"
}

stop_all() {
  local i
  for i in $(members); do stop_member "$i" & done
  wait
  for i in $(members); do rm -rf "$dir/$i"; done
  rm -f "$dir/servers"
  rmdir "$dir" 2>/dev/null
}

need_member() { count && [ -d "$dir/${member:-none}" ] || die "which member?"; }

case $verb in
  start)
    case $servers in 1|3|5) ;; *) die "servers: 1, 3 or 5" ;; esac
    [ -f "$here/dist/cli/main.js" ] || die "not built: run npm ci in $here"
    for i in 1 2 3 4 5; do
      live_pid "$i" > /dev/null && die "already running in $dir"
      rm -rf "${dir:?}/$i"
    done
    for i in $(members); do write_config "$i"; done
    echo "$servers $base" > "$dir/servers"
    for i in $(members); do launch "$i"; done
    # shellcheck disable=SC2046
    wait_serving $(members) && exit 0
    stop_all
    exit 1 ;;
  stop) if count; then stop_all; fi; exit 0 ;;
  connect-string)
    count
    s=
    for i in $(members); do s=$s${s:+,}127.0.0.1:$(client_port "$i"); done
    echo "$s" ;;
  pids)
    count
    s=
    for i in $(members); do p=$(live_pid "$i") && s="$s${s:+ }$p"; done
    echo "$s" ;;
  status)
    count
    for i in $(members); do
      p=$(live_pid "$i") && echo "$i pid $p port $(client_port "$i") $(mode_of "$i")" || echo "$i not running"
    done ;;
  stop-member) need_member; stop_member "$member" ;;
  start-member) need_member; launch "$member"; wait_serving "$member" ;;
  restart-member) need_member; stop_member "$member"; launch "$member"; wait_serving "$member" ;;
  settle) exit 64 ;;
  *) die "usage: side.sh start|stop|connect-string|pids|status|settle|stop-member I|start-member I|restart-member I" ;;
esac
