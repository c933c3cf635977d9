# Every verb of the project. `make` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
FUNCTIONS := token introspect revoke authorize metadata authorizer admin rotate-keys
PACKAGES := $(addprefix -p ,$(FUNCTIONS))
# What the functions were seen to do to the table and to KMS during the tests; the last test compares it with infra/cdk/functions.json.
CALLS := $(abspath $(or $(CARGO_TARGET_DIR),target))/calls

.PHONY: help run run-lambda test test-race check core bench bench-timing bench-cold build test-build supply-chain cost test-cost interop test-browser test-engines \
	validate e2e-deploy deploy-sam deploy-cdk clean

help: ## lists the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1|\2/' | awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'

run: ## starts everything on 127.0.0.1:8080 (PORT=...), in one process
	@cargo build --quiet --locked -p local
	@exec target/debug/local

run-lambda: ## the same front and port, with the real function binaries behind a Lambda Runtime API
	@cargo build --quiet --locked -p local $(PACKAGES)
	@exec target/debug/local --functions target/debug

test: ## all tests that need no cloud
	cargo build --locked -p local $(PACKAGES)
	@rm -f $(CALLS)
	GATEWRIGHT_TEST_CALLS=$(CALLS) cargo test --locked --workspace
	GATEWRIGHT_TEST_CALLS=$(CALLS) cargo test --locked --workspace --test it -- --ignored every_function_may_do

test-race: ## 100 equal requests at once over two processes, for N codes and N refresh tokens (N=200); needs Node
	cargo build --locked -p local
	N=$(or $(N),200) tests/races/run.sh $(or $(CARGO_TARGET_DIR),target)/debug/local

check: core ## format, lints, the rules-only build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

core: ## the rules alone: no AWS, no HTTP, no tokio
	cargo check --locked -p shared --no-default-features
	cargo test --locked -p shared --no-default-features --quiet

bench: ## the benchmarks, as a table and as target/bench.json
	cargo build --release --locked $(PACKAGES) -p floors
	cargo build --release --locked -p local -p bench
	target/release/bench

bench-timing: ## whether the clock tells what an answer does not, as a table
	cargo build --release --locked -p local -p bench
	target/release/bench timing

bench-cold: ## from start to first answer of what make build made, at the CPU share of each memory size; cgroups v1, root
	cargo build --release --locked -p local -p bench -p token
	target/release/bench cold

build: ## the deployable binaries of both architectures (ARCHS=x86_64: of one), as target/lambda/<function>/bootstrap
	@FUNCTIONS="$(FUNCTIONS)" ARCH="$(ARCH)" ARCHS="$(ARCHS)" infra/build.sh

test-build: ## what make build made, behind a Lambda Runtime API: x86_64 and arm64, one of them under qemu
	cargo test --locked -p it built:: -- --ignored

supply-chain: ## licences, sources, advisories (where GitHub can be reached) and bills of materials (target/sbom); installs its tools
	@FUNCTIONS="$(FUNCTIONS)" infra/supply-chain.sh

cost: ## what a million requests cost: the tables of docs/cost.md again, from target/bench.json and docs/cost.json
	@infra/cost.py

test-cost: ## whether docs/cost.md is what docs/cost.json gives
	@infra/cost.py --check

interop: ## third-party clients (Python, Node, Rust) against a local run
	tests/interop/run.sh

test-browser: ## the sign-in and consent pages in headless Chromium; pictures of them in target/browser
	tests/browser/run.sh

e2e-deploy: ## SAM and CDK deployed to an emulator of AWS, and third-party clients against both; after make build
	tests/e2e/run.sh

test-engines: ## the store's and the endpoints' tests on the real DynamoDB Local
	tests/engines.sh

validate: ## SAM template and CDK stack: linters, tests, and that both say the same; needs Python and Node, no account
	infra/validate/run.sh

deploy-sam: ## what make build made, to the caller's AWS account with SAM (STACK=gatewright ARCH=arm64 PARAMETERS="DomainName=... CertificateArn=...")
	infra/venv.sh target/validate/lint infra/validate/lint.txt
	cp -r target/lambda/$(or $(ARCH),arm64)/. target/lambda/
	target/validate/lint/bin/sam deploy --template-file infra/sam/template.yaml --stack-name $(or $(STACK),gatewright) --resolve-s3 \
	  --capabilities CAPABILITY_IAM --confirm-changeset --no-fail-on-empty-changeset --parameter-overrides Architecture=$(or $(ARCH),arm64) $(PARAMETERS)

deploy-cdk: ## what make build made, to the caller's AWS account with CDK (STACK=gatewright PARAMETERS="domainName=... certificateArn=...")
	infra/cdk/install.sh
	cd infra/cdk && node_modules/.bin/cdk deploy --no-notices -c stackName=$(or $(STACK),gatewright) $(addprefix -c ,$(PARAMETERS))

clean: ## removes what was built
	cargo clean
