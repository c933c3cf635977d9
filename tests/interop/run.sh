#!/usr/bin/env bash
# `make interop`: libraries that others wrote against a local run, and the functions with an emulated KMS (tests/interop/README.md).
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=tests/interop
PLACE=$PWD/target/interop
BUILT=${CARGO_TARGET_DIR:-target}/debug
PARTS=("${@:-python node http rust kms}")

. tests/servers.sh
needs "make interop" cargo python3 node npm curl
wanted() { [[ " ${PARTS[*]} " == *" $1 "* ]]; }

mkdir -p "$PLACE"

node_modules() {
  mkdir -p "$PLACE/node"
  cmp -s $HERE/node/package-lock.json "$PLACE/node/made-from" && return
  cp $HERE/node/package.json $HERE/node/package-lock.json "$PLACE/node/"
  (cd "$PLACE/node" && npm ci --no-audit --no-fund --ignore-scripts --loglevel error)
  cp $HERE/node/package-lock.json "$PLACE/node/made-from"
}

cargo build --quiet --locked -p local -p gatewright -p interop -p rotate-keys -p token
if wanted python; then venv python $HERE/python/requirements.txt; fi
if wanted kms; then venv moto $HERE/python/moto.txt; fi
if wanted node || wanted http; then node_modules; fi

results=$PLACE/results
: >"$results"

# run NAME COMMAND...: at most two minutes; a program that ends badly without saying why is a failure too.
run() {
  local name=$1 before code=0
  shift
  before=$(grep -c ^FAILED "$results" || true)
  timeout 120 "$@" 2>"$PLACE/$name.log" | tee -a "$results" || code=$?
  if [ "$code" != 0 ] && [ "$(grep -c ^FAILED "$results" || true)" = "$before" ]; then
    echo "FAILED  $name ended with exit code $code: $(tail -n 1 "$PLACE/$name.log")" | tee -a "$results"
  fi
}

# With an ISSUER it is run against that server, which has been started, and its admin client (tests/e2e).
if [ -z "${ISSUER:-}" ]; then
  port=$(free_port)
  export ISSUER=http://127.0.0.1:$port
  export GATEWRIGHT_ADMIN_CLIENT_ID=root GATEWRIGHT_ADMIN_CLIENT_SECRET="interop: 32 characters, %+& and é"
  PORT=$port GATEWRIGHT_ISSUER=$ISSUER GATEWRIGHT_DATA=$data GATEWRIGHT_FEED_SECONDS=1 "$BUILT/local" >"$PLACE/local.log" 2>&1 &
  pids+=($!)
  answers "$ISSUER/healthz" "$!" "$PLACE/local.log"
fi

gatewright() { "$BUILT/gatewright" --url "$ISSUER" --json "$@"; }
secret() { python3 -c 'import json, sys; print(json.load(sys.stdin)["client_secret"])'; }
gatewright api create orders --audience https://orders.example/ --scope read --access authenticated >/dev/null
gatewright api create ledger --audience https://ledger.example/ --scope read --access authenticated --signing-alg RS256 >/dev/null
export CLIENT_ID=shop POST_CLIENT_ID=shop.post RSA_CLIENT_ID=bank
CLIENT_SECRET=$(gatewright client create "The shop" --id $CLIENT_ID --scope https://orders.example/read | secret)
POST_CLIENT_SECRET=$(gatewright client create "The shop, by POST" --id $POST_CLIENT_ID --auth-method client_secret_post --scope https://orders.example/read | secret)
RSA_CLIENT_SECRET=$(gatewright client create "The bank" --id $RSA_CLIENT_ID --scope https://ledger.example/read | secret)
export CLIENT_SECRET POST_CLIENT_SECRET RSA_CLIENT_SECRET
# Two more, whose tokens have expired before a verifier sees them.
export HASTY_ID=hasty RSA_HASTY_ID=hasty.bank
HASTY_SECRET=$(gatewright client create "In a hurry" --id $HASTY_ID --scope https://orders.example/read | secret)
RSA_HASTY_SECRET=$(gatewright client create "The bank, in a hurry" --id $RSA_HASTY_ID --scope https://ledger.example/read | secret)
export HASTY_SECRET RSA_HASTY_SECRET

# A user, and two applications that users sign in to: one that keeps a secret and one that cannot.
ADMIN=$("$BUILT/gatewright" token --url "$ISSUER" --client-id "$GATEWRIGHT_ADMIN_CLIENT_ID" <<<"$GATEWRIGHT_ADMIN_CLIENT_SECRET")
admin() { curl -sS -m 10 -f -o /dev/null -X "$1" -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' "$ISSUER/admin/v1$2" ${3:+-d "$3"}; }
export APP_ID=shop.web NATIVE_ID=shop.native REDIRECT_URI=http://127.0.0.1:9/cb USERNAME=alice PASSWORD='correct horse: battery stäple'
admin POST /groups '{"name":"clerks","realm":"staff"}'
admin POST /users "{\"realm\":\"staff\",\"username\":\"$USERNAME\",\"password\":\"$PASSWORD\",\"groups\":[\"clerks\"]}"
code_client() { gatewright client create "$@" --realm staff --redirect-uri $REDIRECT_URI --grant authorization_code --grant refresh_token --scope https://orders.example/read; }
APP_SECRET=$(code_client "The shop's site" --id $APP_ID | secret)
export APP_SECRET
code_client "The shop's app" --id $NATIVE_ID --public >/dev/null
for client in $HASTY_ID $RSA_HASTY_ID; do admin PATCH /clients/$client '{"access_token_ttl":1}'; done
for client in $APP_ID $NATIVE_ID; do admin PUT /clients/$client/assignments/groups/clerks; done

if wanted python; then
  python=$PLACE/python/bin/python
  run python-clients "$python" $HERE/python/clients.py
  run python-code-flow "$python" $HERE/python/code_flow.py
  run python-verifiers "$python" $HERE/python/verifiers.py
  GATEWRIGHT=$(realpath "$BUILT/gatewright") run tls "$python" $HERE/python/tls.py
fi
if wanted node; then
  cp $HERE/node/*.mjs "$PLACE/node/"
  run node-clients node "$PLACE/node/clients.mjs"
  run node-code-flow node "$PLACE/node/code_flow.mjs"
  run node-verifiers node "$PLACE/node/verifiers.mjs"
fi
if wanted http; then
  # A server as `make run` starts it for the first time, with a secret that needs no encoding.
  http_port=$(free_port)
  export URL=http://127.0.0.1:$http_port URL_SECRET=interop-32-characters-and-no-fewer
  PORT=$http_port GATEWRIGHT_DATA=:memory: GATEWRIGHT_ADMIN_CLIENT_SECRET=$URL_SECRET "$BUILT/local" >"$PLACE/local-http.log" 2>&1 &
  pids+=($!)
  answers "$URL/healthz" "$!" "$PLACE/local-http.log"
  cp $HERE/node/*.mjs docs/gatewright.http "$PLACE/node/"
  run http-file node "$PLACE/node/http_file.mjs"
fi
if wanted rust; then
  run rust "$BUILT/interop"
fi
if wanted kms; then
  kms_port=$(free_port)
  "$PLACE/moto/bin/moto_server" -H 127.0.0.1 -p "$kms_port" >"$PLACE/moto.log" 2>&1 &
  pids+=($!)
  answers "http://127.0.0.1:$kms_port/" "$!" "$PLACE/moto.log"
  KMS_URL=http://127.0.0.1:$kms_port FUNCTIONS=$BUILT run kms "$BUILT/kms"
fi

passed=$(grep -c ^ok "$results" || true)
failed=$(grep -c ^FAILED "$results" || true)
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
