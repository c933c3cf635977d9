#!/usr/bin/env bash
# `make e2e-deploy`: the stack and an example API, really deployed to an emulator of AWS on this machine, once by SAM and once by CDK, and the
# clients of tests/interop against them. tests/e2e/README.md says what this shows and what it cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=tests/e2e
PLACE=$PWD/target/e2e
WAYS=("${@:-sam cdk}")

fail() { echo "$1" >&2; exit 1; }
for tool in cargo python3 node npm curl; do
  command -v "$tool" >/dev/null || fail "$tool is missing, make e2e-deploy needs it"
done
mkdir -p "$PLACE"

# venv NAME REQUIREMENTS: a virtual environment of its own, made again when the requirements change.
venv() {
  cmp -s "$2" "$PLACE/$1/made-from" && return
  rm -rf "${PLACE:?}/$1"
  python3 -m venv "$PLACE/$1"
  "$PLACE/$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
  cp "$2" "$PLACE/$1/made-from"
}
venv emulator $HERE/emulator.txt
venv sam $HERE/sam.txt

pids=()
stop() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
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

# The functions inherit the emulator's environment, and with it the way to the emulated DynamoDB and KMS.
port=$(free_port)
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export SAM_CLI_TELEMETRY=0 CDK_DISABLE_CLI_TELEMETRY=1
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port "$PLACE/emulator/bin/ministack" >"$PLACE/emulator.log" 2>&1 &
pids+=($!)
answers "$AWS_ENDPOINT_URL/_ministack/health" "$!" "$PLACE/emulator.log"

# output STACK NAME: an output of a deployed stack.
output() {
  "$PLACE/sam/bin/python" - "$1" "$2" <<'PYTHON'
import boto3, sys
stack = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
print(next(output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == sys.argv[2]))
PYTHON
}

architecture=$(uname -m | sed 's/aarch64/arm64/')

by_sam() {
  sam() { "$PLACE/sam/bin/sam" deploy --resolve-s3 --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset "$@"; }
  sam -t infra/sam/template.yaml --stack-name gatewright \
    --parameter-overrides "Architecture=$architecture" "Issuer=$ISSUER" FeedSeconds=1 Alarms=off
  sam -t infra/examples/sam-rest/template.yaml --stack-name orders --parameter-overrides GatewrightStackName=gatewright
}

by_cdk() {
  (
    cd infra/examples/cdk
    npm ci --no-audit --no-fund --loglevel error
    npx cdk bootstrap --no-notices aws://000000000000/us-east-1
    npx cdk deploy --no-notices --require-approval never --outputs-file "$PLACE/cdk.json" \
      -c issuer="$ISSUER" -c architecture="$architecture" -c feedSeconds=1 -c alarms=off OrdersHttp
  )
}

# tried WAY STACK ORDERS_STACK: the first admin client, then the clients, through a front that puts both APIs on the issuer's origin.
tried() {
  local gateway
  gateway=$(output "$3" Gateway)
  python3 $HERE/front.py "$front" "$AWS_ENDPOINT_URL" "$(output "$2" ApiId)" "/_aws/execute-api/$gateway" >"$PLACE/front-$1.log" 2>&1 &
  pids+=($!)
  answers "$ISSUER/healthz" "$!" "$PLACE/front-$1.log"
  # The command that the stack prints is the one that is typed.
  local next made
  next=$(output "$2" NextCommand)
  made=$(PATH=$BUILT:$PATH bash -c "$next --json --client-id root")
  (
    unset AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION
    export GATEWRIGHT_ADMIN_CLIENT_ID=root
    GATEWRIGHT_ADMIN_CLIENT_SECRET=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["client_secret"])' <<<"$made")
    export GATEWRIGHT_ADMIN_CLIENT_SECRET
    tests/interop/run.sh python node rust
    python3 $HERE/walk.py
  )
}

BUILT=$(realpath "${CARGO_TARGET_DIR:-target}/debug")
cargo build --quiet --locked -p gatewright
for way in ${WAYS[*]}; do
  front=$(free_port)
  export ISSUER=http://127.0.0.1:$front
  echo "deploying by $way"
  "by_$way" >"$PLACE/$way.log" 2>&1 || fail "the deployment by $way failed: $(tail -n 20 "$PLACE/$way.log")"
  case $way in
    sam) tried sam gatewright orders ;;
    cdk) tried cdk OrdersHttp OrdersHttp ;;
  esac
done
