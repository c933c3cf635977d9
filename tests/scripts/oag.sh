#!/usr/bin/env bash
# Script 5 of the specification (seeds, section 8): two nodes on one DynamoDB, the rows of 5.6 that there are calls for, then node A
# is stopped and rows 2 and 6 are repeated at B. G-02, G-03, G-04, G-07, G-10. Row 11 moves a clock: tests/it/nodes.rs.
. "$(dirname "$0")/lib.sh"

free_port TABLE
free_port ENGINE
free_port PORT_A
free_port PORT_B
A=http://127.0.0.1:$PORT_A
B=http://127.0.0.1:$PORT_B
SECRET=the-first-administrator-of-two-nodes
# A third server stands for DynamoDB: it is never called but by the nodes' SDKs.
start dynamodb "$TABLE" GATEWRIGHT_DYNAMODB_PORT="$ENGINE" GATEWRIGHT_ISSUER="$A" GATEWRIGHT_ADMIN_CLIENT_ID=root GATEWRIGHT_ADMIN_CLIENT_SECRET="$SECRET"
SHARED=(GATEWRIGHT_DYNAMODB_ENDPOINT="http://127.0.0.1:$ENGINE" GATEWRIGHT_ISSUER="$A" GATEWRIGHT_TOKENINFO=on GATEWRIGHT_FEED_SECONDS=1)
start a "$PORT_A" "${SHARED[@]}"
NODE_A=${PIDS[-1]}
start b "$PORT_B" "${SHARED[@]}"

admin() {
    local expected=$1 method=$2 url=$3
    shift 3
    status "$expected" -X "$method" -H "Authorization: Bearer $ADMIN" "$url" "$@"
}
fetch() {
    status 200 -u "$2" -d grant_type=client_credentials "$1/oauth2/token"
    TOKEN=$(member access_token <<<"$BODY")
}
# A node says the same of $TOKEN as the other, and lets it pass.
row_2() {
    local first="" node
    for node in "$@"; do
        status 200 -u "rs:$RS" -d "token=$TOKEN" "$node/oauth2/introspect"
        says "$BODY" '{"active":true,' '"client_id":"shop"' '"scope":"read"'
        [ -z "$first" ] || [ "$first" = "$BODY" ] || fail "claims differ: $first and $BODY"
        first=$BODY
        status 200 -u "rs:$RS" -d "access_token=$TOKEN" "$node/oauth2/tokeninfo"
        says "$BODY" '"audience":"shop"' '"scope":"read"' '"expires_in":'
        status 200 -H "Authorization: Bearer $TOKEN" "$node/orders/1"
        says "$BODY" '"client_id":"shop"'
    done
}
# What one node revokes is inactive at the other now, and refused on its routes within a second.
row_6() {
    local revoker=$1 other=$2
    status 200 -u "shop:$SHOP" -d "token=$TOKEN" "$revoker/oauth2/revoke"
    status 200 -u "rs:$RS" -d "token=$TOKEN" "$other/oauth2/introspect"
    [ "$BODY" = '{"active":false}' ] || fail "still $BODY"
    status 400 -u "rs:$RS" -d "access_token=$TOKEN" "$other/oauth2/tokeninfo"
    sleep 2.1
    status 401 -H "Authorization: Bearer $TOKEN" "$other/orders/1"
    says "$HEAD" 'www-authenticate: Bearer realm='
}

ADMIN=$(curl -s -u "root:$SECRET" -d grant_type=client_credentials "$A/oauth2/token" | member access_token)
admin 201 POST "$A/admin/v1/apis" -d '{"name":"orders","audience":"https://orders.example/","scopes":[{"value":"read"}],"access":"authenticated","resource_server_client_id":"rs"}'
admin 201 POST "$A/admin/v1/clients" -d '{"client_id":"rs","client_name":"rs","grant_types":["client_credentials"]}'
RS=$(member client_secret <<<"$BODY")

# Row 1: a client made at A gets a token at B now.
status 401 -u shop:nothing -d grant_type=client_credentials "$B/oauth2/token"
admin 201 POST "$A/admin/v1/clients" -d '{"client_id":"shop","client_name":"shop","grant_types":["client_credentials"],"scopes":["https://orders.example/read"]}'
SHOP=$(member client_secret <<<"$BODY")
FIRST=$(member secret_id <<<"$BODY")
fetch "$B" "shop:$SHOP"
# Row 2: a token of A is active at B now, with identical claims.
fetch "$A" "shop:$SHOP"
row_2 "$A" "$B"
# Row 10, as far as roles show: a role given at A reaches B's routes.
admin 201 POST "$A/admin/v1/roles" -d '{"name":"clerk"}'
admin 200 PATCH "$A/admin/v1/clients/shop" -d '{"roles":["clerk"]}'
sleep 2.1
status 200 -H "Authorization: Bearer $TOKEN" "$B/orders/1"
says "$BODY" '"roles":"clerk"'
# Row 6.
row_6 "$A" "$B"
# Row 7: a client deactivated at A gets no token at B now.
admin 200 PATCH "$A/admin/v1/clients/shop" -d '{"active":false}'
status 401 -u "shop:$SHOP" -d grant_type=client_credentials "$B/oauth2/token"
admin 200 PATCH "$A/admin/v1/clients/shop" -d '{"active":true}'
# Row 8: a new secret, the old one deleted.
admin 201 POST "$A/admin/v1/clients/shop/secrets" -d '{}'
NEW=$(member client_secret <<<"$BODY")
admin 204 DELETE "$A/admin/v1/clients/shop/secrets/$FIRST"
status 401 -u "shop:$SHOP" -d grant_type=client_credentials "$B/oauth2/token"
SHOP=$NEW
fetch "$B" "shop:$SHOP"
# Row 9: a new signing key at A; an old and a new token are good at B.
OLD=$TOKEN
admin 202 POST "$A/admin/v1/keys/rotate" -d '{}'
fetch "$A" "shop:$SHOP"
for TOKEN in "$OLD" "$TOKEN"; do row_2 "$B"; done

# Node A is stopped; B goes on.
kill "$NODE_A"
wait "$NODE_A" 2>/dev/null || true
curl -s -m 2 -o /dev/null "$A/healthz" && fail "node A still answers"
row_2 "$B"
row_6 "$B" "$B"
fetch "$B" "shop:$SHOP"
row_2 "$B"
echo passed
