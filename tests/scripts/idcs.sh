#!/usr/bin/env bash
# Script 2 of the specification (seeds, section 8): an IDCS administrator registers a resource and a client. I-01 to I-06, I-08, I-10,
# I-11, I-14 to I-17, I-19 to I-24.
. "$(dirname "$0")/lib.sh"

free_port PORT
B=http://127.0.0.1:$PORT
start server "$PORT" GATEWRIGHT_FEED_SECONDS=1 GATEWRIGHT_PASSWORD_GRANT=on
. "$WORK/data/admin.env"
ADMIN=$(curl -s -u "$ADMIN_CLIENT_ID:$ADMIN_CLIENT_SECRET" -d grant_type=client_credentials "$B/oauth2/token" | member access_token)

admin() { status "$1" -X "$2" -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' "$B/admin/v1$3" ${4:+-d "$4"}; }
# token STATUS CLIENT SECRET [SCOPE]: the token is in $TOKEN.
token() {
    status "$1" -u "$2:$3" -d grant_type=client_credentials ${4:+--data-urlencode "scope=$4"} "$B/oauth2/token"
    TOKEN=$(member access_token <<<"$BODY")
}
# The payload of $TOKEN, as anybody can read it.
payload() {
    local part
    part=$(cut -d . -f 2 <<<"$TOKEN" | tr '_-' '/+')
    while [ $((${#part} % 4)) -ne 0 ]; do part+='='; done
    base64 -d <<<"$part"
}
diagnose() { status 200 -u "$1" -H 'Content-Type: application/json' -d "{\"token\":\"$2\",\"method\":\"GET\",\"path\":\"$3\"}" "$B/oauth2/diagnose"; }

# The resources and their full scopes (I-02).
admin 201 POST /apis '{"name":"orders","audience":"https://orders.example/","scopes":[{"value":"read"},{"value":"write"}]}'
says "$BODY" '"full_scope":"https://orders.example/read"'
admin 201 POST /apis '{"name":"billing","audience":"https://billing.example/","scopes":[{"value":"read"}],"access":"authenticated"}'
admin 201 POST /roles '{"name":"clerk"}'
admin 201 POST /privileges '{"name":"read_orders","api":"orders","routes":[{"methods":["GET"],"path":"/orders/*"}],"roles":["clerk"],"scopes":["read"]}'
admin 201 POST /privileges '{"name":"write_orders","api":"orders","scopes":["write"]}'

# A confidential client with one scope, inactive until it is activated (I-03, I-14, I-15).
admin 201 POST /clients '{"client_id":"portal","client_name":"Portal","grant_types":["client_credentials"],"scopes":["https://orders.example/read"],"roles":["clerk"],"active":false,"tags":["fin"]}'
SECRET=$(member client_secret <<<"$BODY")
FIRST=$(member secret_id <<<"$BODY")
admin 200 GET /clients/portal
case $BODY in *client_secret\":*) fail "the secret is shown again: $BODY" ;; esac
token 401 portal "$SECRET"
says "$BODY" '"error":"invalid_client"'
admin 200 PATCH /clients/portal '{"active":true}'
token 200 portal "$SECRET" https://orders.example/read
says "$BODY" '"scope":"read"' '"expires_in":3600'

# What the token says (I-10, I-19, I-21).
says "$(payload)" '"sub":"portal"' '"sub_type":"client"' '"scope":"read"' '"aud":["https://orders.example/"]' "\"iss\":\"$B\""
GOOD=$TOKEN
status 200 -H "Authorization: Bearer $GOOD" "$B/orders/1"
says "$BODY" '"sub":"portal"' '"privilege":"read_orders"'

# A scope that is not the client's (I-08), and a route that wants another (I-22).
token 400 portal "$SECRET" https://orders.example/write
says "$BODY" '"error":"invalid_scope"' 'https://orders.example/write'
token 400 portal "$SECRET" https://billing.example/read
says "$BODY" '"error":"invalid_'
status 403 -X POST -H "Authorization: Bearer $GOOD" "$B/orders/1"
says "$HEAD" 'error="insufficient_scope"' 'scope="write"'

# The wrong audience: 401, and the diagnosis says so (I-22, I-23).
status 401 -H "Authorization: Bearer $GOOD" "$B/billing/1"
diagnose "portal:$SECRET" "$GOOD" /billing/1
says "$BODY" '"verdict":"rejected"' '"gate":"token"' '"code":"audience_mismatch"' 'https://billing.example/read'
diagnose "portal:$SECRET" "$GOOD" /orders/1
says "$BODY" '"verdict":"accepted"' '"gate":null' '"code":"ok"'
# Without its last 50 characters it can be shown to anybody, and is good for nothing (I-24).
diagnose "portal:$SECRET" "${GOOD:0:-50}" /orders/1
says "$BODY" '"code":"bad_signature"' 'not usable' '"sub":"portal"'
case $BODY in *"${GOOD:0:60}"*) fail "the token is in the answer: $BODY" ;; esac
status 401 -H "Authorization: Bearer ${GOOD:0:-50}" "$B/orders/1"

# Alice may use the application, bob may when he is assigned (I-11, I-16, I-20).
for name in alice bob; do
    admin 201 POST /users "{\"username\":\"$name\",\"password\":\"correct horse\",\"roles\":[\"clerk\"]}"
    printf -v "$name" %s "$(member user_id <<<"$BODY")"
done
admin 201 POST /clients '{"client_id":"desk","client_name":"Desk","grant_types":["password"],"scopes":["https://orders.example/read"]}'
DESK=$(member client_secret <<<"$BODY")
admin 204 PUT "/clients/desk/assignments/users/$alice"
as() { status "$1" -u "desk:$DESK" -d grant_type=password -d "username=$2" --data-urlencode "password=${3:-correct horse}" -d scope=https://orders.example/read "$B/oauth2/token"; }
as 200 alice
TOKEN=$(member access_token <<<"$BODY")
says "$(payload)" "\"sub\":\"$alice\"" '"sub_type":"user"' '"scope":"read"' '"aud":["https://orders.example/"]'
status 200 -H "Authorization: Bearer $TOKEN" "$B/orders/1"
as 400 bob
says "$BODY" '"error":"invalid_grant"' 'user is not assigned to this application'
as 400 bob 'wrong password'
case $BODY in *assigned*) fail "told before the password was right: $BODY" ;; esac
admin 204 PUT "/clients/desk/assignments/users/$bob"
as 200 bob

# The secret is rotated; a second client, and the tokens that are out, notice nothing (I-05).
admin 201 POST /clients '{"client_id":"other","client_name":"Other","grant_types":["client_credentials"],"scopes":["https://orders.example/read"],"roles":["clerk"]}'
OTHER=$(member client_secret <<<"$BODY")
status 403 -u "other:$OTHER" -H 'Content-Type: application/json' -d "{\"token\":\"$GOOD\",\"method\":\"GET\",\"path\":\"/orders/1\"}" "$B/oauth2/diagnose"
admin 201 POST /clients/portal/secrets '{}'
NEW=$(member client_secret <<<"$BODY")
for secret in "$SECRET" "$NEW"; do token 200 portal "$secret"; done
token 200 other "$OTHER"
admin 204 DELETE "/clients/portal/secrets/$FIRST"
token 401 portal "$SECRET"
token 200 portal "$NEW"
token 200 other "$OTHER"
status 200 -H "Authorization: Bearer $TOKEN" "$B/orders/1"
status 200 -H "Authorization: Bearer $GOOD" "$B/orders/1"
# Deactivated, it gets no token, and its live one opens nothing (I-15, G-17).
admin 200 PATCH /clients/portal '{"active":false}'
sleep 2.1
token 401 portal "$NEW"
status 401 -H "Authorization: Bearer $GOOD" "$B/orders/1"
admin 200 GET /clients/portal
echo passed
