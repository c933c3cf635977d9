#!/usr/bin/env bash
# `make test-browser`: the pages in headless Chromium against a local run (tests/browser/README.md). Words after the command choose tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=tests/browser
PLACE=$PWD/target/browser
BUILT=${CARGO_TARGET_DIR:-target}/debug

fail() { echo "$1" >&2; exit 1; }

# install COMMAND PACKAGE...
install() {
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "$1 is missing: install Debian's ${*:2}, or what your system calls it"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${@:2}"
}
install npm nodejs npm
install curl curl
# Debian keeps Chromium at the version of its security updates; the driver, which is pinned, speaks the protocol that they all speak.
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$CHROMIUM" ] || install chromium chromium fonts-dejavu-core
export CHROMIUM=${CHROMIUM:-$(command -v chromium)}

mkdir -p "$PLACE"
if ! cmp -s $HERE/package.json "$PLACE/made-from"; then
  cp $HERE/package.json "$PLACE/"
  (cd "$PLACE" && npm install --no-audit --no-fund --ignore-scripts --loglevel error)
  cp $HERE/package.json "$PLACE/made-from"
fi
cargo build --quiet --locked -p local

data=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$data"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

port=$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export ISSUER=http://127.0.0.1:$port ADMIN_ID=root ADMIN_SECRET="browser: 32 characters and more of them"
PORT=$port GATEWRIGHT_ISSUER=$ISSUER GATEWRIGHT_DATA=$data GATEWRIGHT_ADMIN_CLIENT_ID=$ADMIN_ID GATEWRIGHT_ADMIN_CLIENT_SECRET=$ADMIN_SECRET \
  "$BUILT/local" >"$PLACE/local.log" 2>&1 &
server=$!
for attempt in $(seq 150); do
  curl -s -m 2 -o /dev/null "$ISSUER/healthz" && break
  kill -0 "$server" 2>/dev/null || fail "the server ended at its start: $(tail -n 5 "$PLACE/local.log")"
  [ "$attempt" != 150 ] || fail "nothing answered at $ISSUER within 30 seconds"
  sleep 0.2
done

rm -f "$PLACE"/*.png
cp $HERE/*.mjs "$PLACE/"
SCREENSHOTS=$PLACE timeout 300 node "$PLACE/pages.mjs" "$@"
