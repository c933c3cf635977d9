#!/usr/bin/env bash
# `make validate`: what can be known of the templates without an account and without a Rust build.
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=infra/validate
PLACE=$PWD/target/validate
SAM=infra/sam/template.yaml

fail() { echo "$1" >&2; exit 1; }
for tool in python3 node npm; do
  command -v "$tool" >/dev/null || fail "$tool is missing, make validate needs it"
done
mkdir -p "$PLACE"

infra/venv.sh "$PLACE/lint" $HERE/lint.txt
infra/venv.sh "$PLACE/checkov" $HERE/checkov.txt
infra/cdk/install.sh

export SAM_CLI_TELEMETRY=0 CDK_DISABLE_CLI_TELEMETRY=1 AWS_DEFAULT_REGION=us-east-1 PYTHONDONTWRITEBYTECODE=1
python=$PLACE/lint/bin/python
stacks=$PLACE/stacks
failed=0

# step NAME COMMAND...: says how it went, and all that it said where it went badly.
step() {
  local name=$1
  shift
  if "$@" >"$PLACE/log" 2>&1; then
    echo "ok      $name"
  else
    echo "FAILED  $name"
    cat "$PLACE/log"
    failed=1
  fi
}

# cdk COMMAND...: one of the tools of infra/cdk, there.
cdk() {
  local tool=$1
  shift
  (cd infra/cdk && "node_modules/.bin/$tool" "$@")
}

rm -rf "$stacks"
step "the construct's types" cdk tsc -p .
step "the construct's tests" cdk tsx --test test/stack.test.ts test/authorizer.test.ts
step "a stack for each set of parameters" cdk tsx test/sets.ts ../validate/parameters.json "$stacks"
step "cdk synth" cdk cdk synth --quiet --no-notices -c code="$stacks/code" --output "$stacks/synth"

# The examples' app gets a copy of the construct as it is now.
example() { (cd infra/examples/cdk && "$@"); }
step "the examples' packages" example npm ci --no-audit --no-fund --ignore-scripts --loglevel error
step "the examples' types" example node_modules/.bin/tsc -p .
step "cdk synth of the examples" example node_modules/.bin/cdk synth --quiet --no-notices -c code="$stacks/code" --output "$stacks/examples"

templates=("$SAM" infra/examples/*/template.yaml)
for template in "${templates[@]}"; do
  step "sam validate --lint $template" "$PLACE/lint/bin/sam" validate --lint -t "$template"
done
# W3005: CDK's own Function says twice that it depends on its role.
step "cfn-lint" "$PLACE/lint/bin/cfn-lint" "${templates[@]}" "$stacks"/*/*.template.json --ignore-checks W3005
step "checkov" "$PLACE/checkov/bin/checkov" --config-file $HERE/checkov.yaml -f "$SAM" "$stacks/defaults/gatewright.template.json"

step "the examples attach the authorizer alike" "$python" infra/examples/check.py infra/examples/sam-rest/template.yaml "$stacks/examples"
step "SAM = CDK = functions.json" "$python" $HERE/compare.py "$SAM" infra/cdk/functions.json $HERE/parameters.json "$stacks"
step "the comparison sees every change" "$python" $HERE/mutations.py "$SAM" infra/cdk/functions.json "$stacks"
exit "$failed"
