#!/usr/bin/env bash
# The lines that a first start prints, pasted into a shell: a client gets a token, a route lets it pass, the token is given back, the
# route refuses it. A second start on the same data prints lines that find the same administrator.
. "$(dirname "$0")/lib.sh"

free_port PORT
start first "$PORT"
sed -n '/^\(\. \|B=\)/,$p' "$WORK/first.out" >"$WORK/pasted"
[ -s "$WORK/pasted" ] || fail "nothing to paste in: $(cat "$WORK/first.out")"
PASTED=$(cd "$WORK" && bash "$WORK/pasted" 2>&1 | tr -d '\r')
STATUSES=$(grep -o '^HTTP/1.1 [0-9]*' <<<"$PASTED" | tr '\n' ' ')
# The route with the token, the revocation, the route again.
[ "$STATUSES" = 'HTTP/1.1 200 HTTP/1.1 200 HTTP/1.1 401 ' ] || fail "$STATUSES: $PASTED"
says "$PASTED" '"name":"orders"' '"path":"/orders/1"' '"client_id":"shop"' '{"active":true,' '{"message":"Unauthorized"}' 'www-authenticate: Bearer realm="gatewright"'

kill "${PIDS[0]}"
wait "${PIDS[0]}" || true
start second "$PORT"
grep -q '^admin secret' "$WORK/first.out" || fail "the first start shows no secret"
! grep -q '^admin secret' "$WORK/second.out" || fail "the second start made another administrator"
. "$WORK/data/admin.env"
status 200 -u "$ADMIN_CLIENT_ID:$ADMIN_CLIENT_SECRET" -d grant_type=client_credentials "$B/oauth2/token"
TOKEN=$(member access_token <<<"$BODY")
status 200 -H "Authorization: Bearer $TOKEN" "$B/admin/v1/clients/shop"

# The README's example of a role, a privilege and a route, pasted after the lines above.
README=$(dirname "$0")/../../README.md
awk '/^```sh/ { block = ""; inside = 1; next } /^```/ { if (inside && block ~ /license_priv/) printf "%s", block; inside = 0; next } inside { block = block $0 "\n" }' "$README" >"$WORK/example"
[ "$(wc -l <"$WORK/example")" -eq 6 ] || fail "the README's example has not six lines: $(cat "$WORK/example")"
ADMIN=$TOKEN
SAID=$(. "$WORK/example")
[ "$SAID" = $'401\n403\n200' ] || fail "the README's example says: $SAID"
echo passed
