# For the scripts beside this one that start servers: what they have in common. They set PLACE, a directory of their own under target/.

fail() { echo "$1" >&2; exit 1; }

# needs VERB TOOL...: ends where a tool is missing.
needs() {
  local verb=$1 tool
  shift
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail "$tool is missing, $verb needs it"
  done
}

# venv NAME REQUIREMENTS: see infra/venv.sh.
venv() { infra/venv.sh "$PLACE/$1" "$2"; }

pids=()
data=$(mktemp -d)
stop() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$data"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# answers URL PID LOG: waits until a server of ours answers.
answers() {
  for _ in $(seq 150); do
    curl -s -m 2 -o /dev/null "$1" && return
    kill -0 "$2" 2>/dev/null || fail "a server ended at its start: $(tail -n 5 "$3")"
    sleep 0.2
  done
  fail "nothing answered at $1 within 30 seconds"
}
