#!/usr/bin/env bash
# `make e2e-deploy`: the stack and an example API, really deployed to an emulator of AWS on this machine, once by SAM and once by CDK, and the
# clients of tests/interop against them. tests/e2e/README.md says what this shows and what it cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=tests/e2e
PLACE=$PWD/target/e2e
WAYS=("${@:-sam cdk}")

. tests/servers.sh
needs "make e2e-deploy" cargo python3 node npm curl
mkdir -p "$PLACE"

venv emulator $HERE/emulator.txt
venv sam $HERE/sam.txt

# The functions inherit the emulator's environment, and with it the way to the emulated DynamoDB and KMS. Their code goes when it ends.
port=$(free_port)
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export SAM_CLI_TELEMETRY=0 CDK_DISABLE_CLI_TELEMETRY=1
TMPDIR=$data BIND_HOST=127.0.0.1 GATEWAY_PORT=$port "$PLACE/emulator/bin/ministack" >"$PLACE/emulator.log" 2>&1 &
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

# Settings that only an emulator needs: an issuer on loopback, changes heard of within a second, no metric math.
by_sam() {
  sam() { "$PLACE/sam/bin/sam" deploy --resolve-s3 --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset "$@"; }
  gatewright_by_sam() {
    sam -t "$PLACE/template.yaml" --stack-name gatewright \
      --parameter-overrides "Architecture=$architecture" "Issuer=$ISSUER" FeedSeconds=1 Alarms=off
  }
  # The functions of this machine's architecture, whichever was built last.
  sed "s#\.\./\.\./target/lambda/#$PWD/target/lambda/$architecture/#" infra/sam/template.yaml >"$PLACE/template.yaml"
  gatewright_by_sam
  sam -t infra/examples/sam-rest/template.yaml --stack-name orders --parameter-overrides GatewrightStackName=gatewright
  # G-05: once more changes nothing.
  gatewright_by_sam | grep 'No changes to deploy'
}

# The HTTP API brings a Gatewright of its own; the REST API imports its authorizer.
by_cdk() {
  (
    cd infra/examples/cdk
    npm run --silent setup
    local bin=$PWD/node_modules/.bin
    cdk() { "$bin/cdk" "$@" --no-notices; }
    deploy() {
      cdk deploy --require-approval never -c gatewrightStackName=OrdersHttp \
        -c issuer="$ISSUER" -c architecture="$architecture" -c feedSeconds=1 -c alarms=off "$1"
    }
    (cd "$data" && cdk bootstrap aws://000000000000/us-east-1)
    deploy OrdersHttp
    deploy OrdersRest
  )
}

# tried STACK ORDERS_STACK: the first admin client, then the clients, through a front that puts both APIs on the issuer's origin.
tried() {
  local next made
  python3 $HERE/front.py "$front" "$AWS_ENDPOINT_URL" "$(output "$1" ApiId)" "/_aws/execute-api/$(output "$2" Gateway)" >"$PLACE/front-$1.log" 2>&1 &
  pids+=($!)
  answers "$ISSUER/healthz" "$!" "$PLACE/front-$1.log"
  # The command that the stack prints is the one that is typed.
  next=$(output "$1" NextCommand)
  made=$(PATH=$BUILT:$PATH bash -c "$next --json --client-id root")
  (
    unset AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION
    export GATEWRIGHT_ADMIN_CLIENT_ID=root
    GATEWRIGHT_ADMIN_CLIENT_SECRET=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["client_secret"])' <<<"$made")
    export GATEWRIGHT_ADMIN_CLIENT_SECRET
    tests/interop/run.sh python node rust
    "$PLACE/sam/bin/python" $HERE/walk.py
  )
}

BUILT=$(realpath "${CARGO_TARGET_DIR:-target}/debug")
cargo build --quiet --locked -p gatewright
for way in ${WAYS[*]}; do
  front=$(free_port)
  export ISSUER=http://127.0.0.1:$front
  echo "deploying by $way"
  # In the background, because errexit does not hold left of ||.
  "by_$way" >"$PLACE/$way.log" 2>&1 &
  wait $! || fail "the deployment by $way failed: $(tail -n 20 "$PLACE/$way.log")"
  case $way in
    sam) tried gatewright orders ;;
    cdk) GATEWAY_RESPONSES=1 HTTP_API=$AWS_ENDPOINT_URL/_aws/execute-api/$(output OrdersHttp Gateway) tried OrdersHttp OrdersRest ;;
  esac
done
