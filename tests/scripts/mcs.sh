#!/usr/bin/env bash
# Script 1 of the specification (seeds, section 8): a mobile backend with its users. M-01, M-04 to M-18.
. "$(dirname "$0")/lib.sh"

free_port PORT
B=http://127.0.0.1:$PORT
start server "$PORT" GATEWRIGHT_FEED_SECONDS=1 GATEWRIGHT_PASSWORD_GRANT=on
. "$WORK/data/admin.env"
ADMIN=$(curl -s -u "$ADMIN_CLIENT_ID:$ADMIN_CLIENT_SECRET" -d grant_type=client_credentials "$B/oauth2/token" | member access_token)

admin() { status "$1" -X "$2" -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' "$B/admin/v1$3" ${4:+-d "$4"}; }
# call STATUS METHOD PATH CURL-ARGUMENTS...
call() {
    local expected=$1 method=$2 path=$3
    shift 3
    status "$expected" -X "$method" "$@" "$B$path"
}
PASSWORD='pass:word with ü'

# A realm, a user in a group, a role on the API, a stricter one on an endpoint (M-07, M-08, M-09).
for role in clerk manager; do admin 201 POST /roles "{\"name\":\"$role\"}"; done
admin 201 POST /groups '{"name":"clerks","realm":"staff","roles":["clerk"]}'
admin 201 POST /users "{\"realm\":\"staff\",\"username\":\"alice\",\"password\":\"$PASSWORD\"}"
ALICE=$(member user_id <<<"$BODY")
admin 204 PUT "/groups/clerks/members/$ALICE"
admin 200 GET "/users/$ALICE"
says "$BODY" '"groups":["clerks"]' '"roles":["clerk"]'
admin 201 POST /apis '{"name":"customers","audience":"https://customers.example/","scopes":[{"value":"read"}],"basic_auth":true}'
admin 201 POST /apis '{"name":"status","audience":"https://status.example/","scopes":[{"value":"read"}],"access":"public"}'
admin 201 POST /privileges '{"name":"customers","api":"customers","roles":["clerk"]}'
admin 201 POST /privileges '{"name":"deletion","api":"customers","routes":[{"methods":["DELETE"],"path":"/customers/validation/{id}"}],"roles":["manager"]}'
admin 201 POST /clients '{"client_id":"be1","client_name":"Backend 1","grant_types":["password"],"realm":"staff","scopes":["https://customers.example/read"]}'
SECRET=$(member client_secret <<<"$BODY")
admin 201 POST /clients '{"client_id":"be2","client_name":"Backend 2","grant_types":["password"],"realm":"partners","scopes":["https://customers.example/read"]}'
admin 204 PUT "/clients/be1/assignments/users/$ALICE"
admin 200 GET /clients/be1
says "$BODY" "\"token_endpoint\":\"$B/oauth2/token\"" '"client_id":"be1"'

# Basic with the backend's header, without it, with another realm's (M-10 to M-13).
ROUTE=/customers/validation/1
call 200 GET "$ROUTE" -u "alice:$PASSWORD" -H 'Oracle-Mobile-Backend-Id: be1'
says "$BODY" "\"sub\":\"$ALICE\"" '"username":"alice"' '"realm":"staff"' '"roles":"clerk"'
call 200 GET "$ROUTE" -u "alice:$PASSWORD" -H 'oracle-mobile-backend-id: be1'
call 401 GET "$ROUTE" -u "alice:$PASSWORD"
says "$HEAD" 'www-authenticate: Bearer realm="gatewright"' 'www-authenticate: Basic realm="gatewright", charset="UTF-8"'
call 401 GET "$ROUTE" -u "alice:$PASSWORD" -H 'Oracle-Mobile-Backend-Id: be2'
call 401 GET "$ROUTE" -u 'alice:wrong password' -H 'Oracle-Mobile-Backend-Id: be1'
call 401 GET "$ROUTE"

# The password grant, and the same principal by token (M-16, M-17, M-14).
status 200 -u "be1:$SECRET" -d grant_type=password -d username=alice --data-urlencode "password=$PASSWORD" -d scope=https://customers.example/read "$B/oauth2/token"
TOKEN=$(member access_token <<<"$BODY")
call 200 GET "$ROUTE" -H "Authorization: Bearer $TOKEN"
says "$BODY" "\"sub\":\"$ALICE\"" '"username":"alice"' '"realm":"staff"' '"roles":"clerk"'
call 403 DELETE "$ROUTE" -H "Authorization: Bearer $TOKEN"
call 403 GET "$ROUTE" -H "Authorization: Bearer $TOKEN" -H 'Oracle-Mobile-Backend-Id: be2'
call 401 GET "$ROUTE" -H "Authentication: Bearer $TOKEN"
# The anonymous API (M-04).
call 200 GET /status
says "$BODY" '"sub_type":"anonymous"'
# The same, asking whose app calls (M-05): a backend's name is not enough, its key is, and another backend's is not.
admin 200 PATCH /apis/status '{"anonymous":"keyed"}'
admin 201 POST /clients/be1/anonymous-keys
KEY=$(member anonymous_key <<<"$BODY")
admin 201 POST /clients/be2/anonymous-keys
OTHER=$(member anonymous_key <<<"$BODY")
sleep 1.1
call 401 GET /status -H 'Oracle-Mobile-Backend-Id: be1'
says "$HEAD" 'www-authenticate: Basic realm="gatewright", charset="UTF-8"'
call 200 GET /status -u "be1:$KEY" -H 'Oracle-Mobile-Backend-Id: be1'
says "$BODY" '"sub_type":"anonymous"' '"client_id":"be1"'
call 401 GET /status -u "be2:$OTHER" -H 'Oracle-Mobile-Backend-Id: be1'
call 401 GET "$ROUTE" -u "be1:$KEY" -H 'Oracle-Mobile-Backend-Id: be1'
# Who is to be paid for (M-06).
admin 200 GET '/usage?client_id=be1'
says "$BODY" '"calls_allowed":3' '"calls_anonymous":1'
echo passed
