#!/usr/bin/env bash
# Script 3 of the specification (seeds, section 8): an ORDS developer protects a module. O-01 to O-06, O-12, O-13, O-16, O-17, O-20, T-16,
# the vectors of 5.1 that curl can send, and the code flow (O-08).
. "$(dirname "$0")/lib.sh"

free_port PORT
B=http://127.0.0.1:$PORT
start server "$PORT" GATEWRIGHT_FEED_SECONDS=1
. "$WORK/data/admin.env"
ADMIN=$(curl -s -u "$ADMIN_CLIENT_ID:$ADMIN_CLIENT_SECRET" -d grant_type=client_credentials "$B/oauth2/token" | member access_token)

# admin STATUS METHOD PATH [BODY]
admin() { status "$1" -X "$2" -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' "$B/admin/v1$3" ${4:+-d "$4"}; }
# call STATUS METHOD PATH [TOKEN]: the path is sent as it is written.
call() { status "$1" --path-as-is -X "$2" ${4:+-H "Authorization: Bearer $4"} "$B$3"; }
# client ID ROLES: a client with these roles; its token is in $TOKEN.
client() {
    admin 201 POST /clients "{\"client_id\":\"$1\",\"client_name\":\"$1\",\"grant_types\":[\"client_credentials\"],\"scopes\":[\"https://licenses.example/read\"],\"roles\":[$2]}"
    SECRET=$(member client_secret <<<"$BODY")
    status 200 -u "$1:$SECRET" -d grant_type=client_credentials "$B/oauth2/token"
    case $BODY in *refresh_token*) fail "a refresh token for client credentials: $BODY" ;; esac
    TOKEN=$(member access_token <<<"$BODY")
}
# The authorizer's view is a second old at most.
settle() { sleep 2.1; }

# The module is public, as ORDS has it by default, because it says so (O-01).
admin 201 POST /apis '{"name":"customers","audience":"https://licenses.example/","base_path":"/customers","scopes":[{"value":"read"}],"access":"public"}'
ROUTE=/customers/validation/1
call 200 GET "$ROUTE"
says "$BODY" '"sub_type":"anonymous"'

# A role, and a privilege on the module: it is protected (O-02 to O-04).
admin 201 POST /roles '{"name":"license_role"}'
admin 409 POST /roles '{"name":"license_role"}'
admin 400 POST /privileges '{"name":"license_priv","api":"customers","roles":["no_role"]}'
says "$BODY" '"pointer":"/roles/0"'
admin 400 POST /privileges '{"name":"license_priv","api":"no_api"}'
admin 201 POST /privileges '{"name":"license_priv","api":"customers","roles":["license_role"]}'
admin 409 POST /privileges '{"name":"license_priv","api":"customers","routes":[{"path":"/customers/x"}]}'
admin 409 DELETE /roles/license_role
settle
call 401 GET "$ROUTE"
says "$HEAD" 'www-authenticate: Bearer realm=' 'content-type: application/json'

# A client without the role gets a token that opens nothing; with the role the same token does (O-06, O-12, O-17).
client c_none ''
NONE=$TOKEN
call 403 GET "$ROUTE" "$NONE"
says "$HEAD" 'error="insufficient_scope"'
status 200 -u "c_none:$SECRET" -H 'Content-Type: application/json' -d "{\"token\":\"$NONE\",\"method\":\"GET\",\"path\":\"$ROUTE\"}" "$B/oauth2/diagnose"
says "$BODY" '"code":"role_missing"' '"roles_any_of":["license_role"]' 'license_role'
admin 204 PUT /clients/c_none/roles/license_role
settle
for route in "$ROUTE" /customers/validation/2 /customers /customers/; do call 200 GET "$route" "$NONE"; done
says "$BODY" '"roles":"license_role"' '"privilege":"license_priv"'
admin 204 DELETE /clients/c_none/roles/license_role
settle
call 403 GET "$ROUTE" "$NONE"

# The page's GET on the token URL (O-16), and the implicit grant (O-09) are refused.
for method in GET PUT; do
    status 405 -X "$method" -u "c_none:$SECRET" "$B/oauth2/token?grant_type=client_credentials"
    says "$HEAD" 'allow: POST'
    says "$BODY" '"error":"invalid_request"'
done
admin 400 POST /clients '{"client_name":"old","grant_types":["implicit"],"redirect_uris":["https://app.example/cb"]}'
status 400 -u "c_none:$SECRET" -d grant_type=implicit "$B/oauth2/token"
says "$BODY" '"error":"unsupported_grant_type"'

# The most specific route wins, and only it counts (O-05, T-18: the vectors of 5.1).
admin 201 POST /apis '{"name":"soda","audience":"https://soda.example/","scopes":[{"value":"read"}]}'
for role in dev emp mgr; do admin 201 POST /roles "{\"name\":\"$role\"}"; done
admin 201 POST /privileges '{"name":"p1","api":"soda","routes":[{"path":"/soda/*"}],"roles":["dev"]}'
admin 201 POST /privileges '{"name":"p2","api":"soda","routes":[{"path":"/soda/latest/employees/*"}],"roles":["emp"]}'
admin 201 POST /privileges '{"name":"p3","api":"soda","routes":[{"path":"/soda/latest/employees/{id}/photo"}],"access":"public"}'
admin 201 POST /privileges '{"name":"p4","api":"soda","routes":[{"methods":["DELETE"],"path":"/soda/latest/employees/*"}],"roles":["mgr"]}'
admin 409 POST /privileges '{"name":"p5","api":"soda","routes":[{"path":"/soda/:any/employees"},{"path":"/soda/latest/:any"}]}'
for role in dev emp mgr; do
    admin 201 POST /clients "{\"client_id\":\"$role\",\"client_name\":\"$role\",\"grant_types\":[\"client_credentials\"],\"scopes\":[\"https://soda.example/read\"],\"roles\":[\"$role\"]}"
    status 200 -u "$role:$(member client_secret <<<"$BODY")" -d grant_type=client_credentials "$B/oauth2/token"
    printf -v "$role" %s "$(member access_token <<<"$BODY")"
done
settle
call 200 GET /soda/a "$dev"                                    # 1
call 403 GET /soda/a "$emp"                                    # 2
call 403 GET /soda/latest/employees/7 "$dev"                   # 3
call 200 GET /soda/latest/employees/7 "$emp"                   # 4
call 200 GET /soda/latest/employees "$emp"                     # 5
call 401 GET /soda/latest/employees                            # 5
call 401 GET /soda/latest/employees/                           # 6
call 403 GET /soda/latest/employeesX "$emp"                    # 7
call 200 GET /soda/latest/employees/7/photo                    # 8
call 401 GET /soda/latest/employees/7/photo bad                # 9
call 403 DELETE /soda/latest/employees/7 "$emp"                # 10
call 200 DELETE /soda/latest/employees/7 "$mgr"                # 11
status 401 -I "$B/soda/latest/employees/7"                     # 12
call 401 OPTIONS /soda/latest/employees/7                      # 13
for path in /soda//latest/employees/7 /soda/./latest/employees/7 /soda/x/../latest/employees/7 /soda/latest%2Femployees/7; do
    call 403 GET "$path" "$dev"                                # 14, 15
done
call 401 GET /SODA/latest/employees/7                          # 16
call 401 GET '/soda/latest/employees/7?x=/public'              # 17
call 403 GET /nowhere "$dev"                                   # 18
call 401 GET /nowhere                                          # 18
admin 200 GET '/routes/explain?method=DELETE&path=/soda/latest/employees/7'
says "$BODY" '"winner":{"methods":["DELETE"],"path":"/soda/latest/employees/*","privilege":"p4"}' '"privilege":"p1"' '"privilege":"p2"'

# A real user: sign-in, consent, a code, a token with a refresh token; the implicit flow is refused (O-08, O-09).
admin 201 POST /users '{"username":"alice","password":"correct horse","roles":["license_role"]}'
ALICE=$(member user_id <<<"$BODY")
admin 201 POST /clients '{"client_id":"c_code","client_name":"The app","grant_types":["authorization_code","refresh_token"],"redirect_uris":["https://app.example/cb"],"scopes":["https://licenses.example/read"]}'
CODE_SECRET=$(member client_secret <<<"$BODY")
admin 204 PUT "/clients/c_code/assignments/users/$ALICE"
ASK="$B/oauth2/authorize?response_type=code&client_id=c_code&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=https%3A%2F%2Flicenses.example%2Fread&state=xyz&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
browse 303 "${ASK/response_type=code/response_type=token}"
says "$(location)" 'https://app.example/cb?error=unsupported_response_type' 'state=xyz'
sign_in 200 "$ASK" alice 'correct horse'
says "$BODY" 'id="consent"' 'The app' 'https://licenses.example/read'
press 303 approve -d allow=read
says "$(location)" 'https://app.example/cb?code=' 'state=xyz' 'iss=http%3A%2F%2F127.0.0.1'
CODE=$(parameter code "$(location)")
redeem() { status "$1" -u "c_code:$CODE_SECRET" -d grant_type=authorization_code -d "code=$CODE" -d redirect_uri=https://app.example/cb -d code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk "$B/oauth2/token"; }
redeem 200
says "$BODY" '"refresh_token":"gw_rt_' '"scope":"read"'
USER_TOKEN=$(member access_token <<<"$BODY")
call 200 GET "$ROUTE" "$USER_TOKEN"
says "$BODY" "\"sub\":\"$ALICE\"" '"sub_type":"user"'
redeem 400
says "$BODY" '"error":"invalid_grant"'
settle
call 401 GET "$ROUTE" "$USER_TOKEN"

# Allowed origins: exact ones, of a client that has no secret (O-18, O-23).
SPA='"client_id":"c_spa","client_name":"The page","client_type":"public","grant_types":["refresh_token"]'
admin 400 POST /clients "{$SPA,\"allowed_origins\":[\"https://spa.example/\"]}"
says "$BODY" '"pointer":"/allowed_origins/0"'
admin 400 PATCH /clients/c_code '{"allowed_origins":["https://spa.example"]}'
says "$BODY" '"pointer":"/allowed_origins"'
admin 201 POST /clients "{$SPA,\"allowed_origins\":[\"https://spa.example\"]}"
page() { status 400 -H "Origin: $1" -d grant_type=refresh_token -d refresh_token=x -d client_id=c_spa "$B/oauth2/token"; }
page https://spa.example
says "$HEAD" 'access-control-allow-origin: https://spa.example' 'vary: Origin'
page https://spa.example.evil.example
case $HEAD in *access-control-*) fail "another origin may read: $HEAD" ;; esac

# Taking the mapping away opens the module again: only by saying so, and the trail has it (O-06, T-16).
admin 409 DELETE /privileges/license_priv
call 401 GET "$ROUTE"
admin 204 DELETE '/privileges/license_priv?make_public=true'
settle
call 200 GET "$ROUTE"
admin 200 GET '/audit?limit=100'
says "$BODY" '"event":"route_became_public"'
# Each object of the chain goes by the admin API alone (O-20).
admin 409 DELETE /roles/license_role
admin 204 DELETE "/users/$ALICE"
admin 204 DELETE /roles/license_role
admin 204 DELETE /clients/c_none
admin 204 DELETE /apis/customers
echo passed
