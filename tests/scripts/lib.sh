# What the scripts share: servers on free loopback ports, ended by their process ids; checks that say what they expected.
set -euo pipefail

LOCAL=${1:?usage: $0 path/to/local}
WORK=$(mktemp -d)
PIDS=()

finish() {
    local status=$?
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ "$status" -ne 0 ]; then tail -n 20 "$WORK"/*.log >&2 || true; fi
    rm -rf "$WORK"
    exit "$status"
}
trap finish EXIT

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# free_port VARIABLE: a loopback port that nobody listens on, below those that the system gives to outgoing connections.
TAKEN=" "
free_port() {
    local port
    while port=$((10000 + RANDOM % 22000)); [[ $TAKEN == *" $port "* ]] || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    TAKEN+="$port "
    printf -v "$1" %s "$port"
}
RANDOM=$(($$ ^ $(date +%N | sed 's/^0*//')))

# start NAME PORT [VARIABLE=value ...]: a server whose data is in $WORK/data; waits until it is healthy.
start() {
    local name=$1 port=$2
    shift 2
    env -i PATH="$PATH" PORT="$port" GATEWRIGHT_DATA="$WORK/data" "$@" "$LOCAL" >"$WORK/$name.out" 2>"$WORK/$name.log" &
    PIDS+=($!)
    for _ in $(seq 150); do
        if curl -sf -m 2 "http://127.0.0.1:$port/healthz" >/dev/null && grep -q 'In another terminal' "$WORK/$name.out"; then return; fi
        kill -0 "$!" 2>/dev/null || { wait "$!" && fail "$name ended" || fail "$name ended with status $?"; }
        sleep 0.1
    done
    fail "$name is not healthy"
}

# The value of a string member of the JSON on standard input.
member() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }

# status EXPECTED CURL-ARGUMENTS...: the call must give this status; its body is in $BODY, its head in $HEAD.
status() {
    local expected=$1 got
    shift
    got=$(curl -s -m 10 -D "$WORK/head" -o "$WORK/body" -w '%{http_code}' "$@") || fail "no answer: $*"
    HEAD=$(tr -d '\r' <"$WORK/head")
    BODY=$(cat "$WORK/body")
    [ "$got" = "$expected" ] || fail "$got instead of $expected: $* => $HEAD $BODY"
}

# says TEXT PART...: every part is in the text.
says() {
    local text=$1
    shift
    for part in "$@"; do
        case $text in *"$part"*) ;; *) fail "\`$part\` is not in: $text" ;; esac
    done
}

# The value of a hidden field of the page in $BODY.
field() { sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" <<<"$BODY" | head -n 1; }

# Where the answer in $HEAD sends the browser.
location() { sed -n 's/^location: //p' <<<"$HEAD"; }

# A parameter of a URL.
parameter() { sed -n "s/.*[?&]$1=\([^&]*\).*/\1/p" <<<"$2"; }

# browse STATUS CURL-ARGUMENTS...: the same as status, in a browser that keeps its cookies.
browse() {
    local expected=$1
    shift
    status "$expected" -b "$WORK/cookies" -c "$WORK/cookies" "$@"
}

# press STATUS BUTTON CURL-ARGUMENTS...: presses a button of the page in $BODY, with these fields filled in.
press() {
    local expected=$1 button=$2
    shift 2
    browse "$expected" --data-urlencode "request=$(field request)" --data-urlencode "proof=$(field proof)" -d "action=$button" "$@" "$B/oauth2/authorize"
}

# sign_in STATUS URL USERNAME PASSWORD: signs in, and opens what follows.
sign_in() {
    browse 200 "$2"
    press 303 sign_in --data-urlencode "username=$3" --data-urlencode "password=$4"
    browse "$1" "$(location)"
}
