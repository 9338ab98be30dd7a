#!/usr/bin/env bash
# This server as a side of a comparison: a verb is appended as the last argument, the environment says what to run.
#
#   BENCH_SERVERS (1)  BENCH_BASE_PORT (22810)  BENCH_DATA_DIR  BENCH_HEAP_MB  BENCH_ZOOCFG ("key=value;...")
#
#   start  stop  connect-string  pids  status  settle
#
# Same rules as for any side: fsync before a write is acknowledged, snapshots on, warnings to a file, no client limit,
# log and snapshots in directories of their own, tickTime 2000.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
base=${BENCH_BASE_PORT:-22810}
dir=${BENCH_DATA_DIR:-${TMPDIR:-/tmp}/zkbench-vivarium-$base}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
node=${NODE:-node}

die() { echo "vivarium-side: $*" >&2; exit 1; }
start_time() { awk '{ sub(/^.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }
# The pid that start wrote, if it is still that process.
live_pid() {
  local pid t
  read -r pid t 2>/dev/null < "$dir/pid" || return 1
  [ -n "$pid" ] && [ -n "$t" ] && [ "$(start_time "$pid")" = "$t" ] && echo "$pid"
}
serves() {
  timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf srvr >&3 && cat <&3' _ "$base" 2>/dev/null | grep -q '^Mode:'
}

case ${1:-} in
  start)
    [ "${BENCH_SERVERS:-1}" = 1 ] || die "one server only"
    live_pid > /dev/null && die "already running in $dir"
    [ -f "$here/dist/cli/main.js" ] || die "not built: run npm ci in $here"
    rm -rf "$dir/data" "$dir/log"
    mkdir -p "$dir/data" "$dir/log" || exit 1
    {
      printf 'dataDir=%s/data\ndataLogDir=%s/log\n' "$dir" "$dir"
      printf 'clientPort=%s\nclientPortAddress=127.0.0.1\n' "$base"
      printf 'tickTime=2000\nmaxClientCnxns=0\n4lw.commands.whitelist=*\nadmin.enableServer=false\n'
      tr ';' '\n' <<< "${BENCH_ZOOCFG:-}"
    } > "$dir/zoo.cfg"
    heap=
    [ -z "${BENCH_HEAP_MB:-}" ] || heap=--max-old-space-size=$BENCH_HEAP_MB
    # shellcheck disable=SC2086
    setsid "$node" $heap "$here/dist/cli/main.js" serve --log-level warn "$dir/zoo.cfg" > "$dir/out" 2>&1 < /dev/null &
    pid=$!
    echo "$pid $(start_time "$pid")" > "$dir/pid"
    for _ in $(seq 600); do
      serves && exit 0
      live_pid > /dev/null || break
      sleep 0.1
    done
    cat "$dir/out" >&2
    "$0" stop
    exit 1 ;;
  stop)
    if pid=$(live_pid); then
      kill "$pid"
      for _ in $(seq 100); do live_pid > /dev/null || break; sleep 0.1; done
      if pid=$(live_pid); then kill -9 "$pid"; sleep 0.2; fi
    fi
    rm -rf "$dir/data" "$dir/log" "$dir/pid" "$dir/out" "$dir/zoo.cfg"
    rmdir "$dir" 2>/dev/null
    exit 0 ;;
  connect-string) echo "127.0.0.1:$base" ;;
  pids) live_pid ;;
  status) pid=$(live_pid) && echo "pid $pid port $base" ;;
  settle) exit 64 ;;
  *) die "usage: side.sh start|stop|connect-string|pids|status|settle" ;;
esac
