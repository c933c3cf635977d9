#!/usr/bin/env bash
# `make test-race`: one hundred equal requests at once over two server processes on one engine, for each of N codes and N refresh tokens
# (CC-01, CC-02, G-08, 5.6 #4 and #5). A third process stands for DynamoDB.
. "$(dirname "$0")/../scripts/lib.sh"

command -v node >/dev/null || fail "node is missing: install Node 20 or newer"
free_port TABLE
free_port ENGINE
free_port PORT_A
free_port PORT_B
export A=http://127.0.0.1:$PORT_A B=http://127.0.0.1:$PORT_B SECRET=the-first-administrator-of-two-nodes
start dynamodb "$TABLE" GATEWRIGHT_DYNAMODB_PORT="$ENGINE" GATEWRIGHT_ISSUER="$A" GATEWRIGHT_ADMIN_CLIENT_ID=root GATEWRIGHT_ADMIN_CLIENT_SECRET="$SECRET"
SHARED=(GATEWRIGHT_DYNAMODB_ENDPOINT="http://127.0.0.1:$ENGINE" GATEWRIGHT_ISSUER="$A" GATEWRIGHT_LOG=warn)
start a "$PORT_A" "${SHARED[@]}"
start b "$PORT_B" "${SHARED[@]}"
timeout 900 node "$(dirname "$0")/races.mjs" "${N:-200}"
