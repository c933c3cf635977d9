#!/usr/bin/env bash
# Script 4 of the specification (seeds, section 8): an APEX administrator's REST client. A-02, A-03, A-04, A-06, A-07, A-10, A-12.
. "$(dirname "$0")/lib.sh"

free_port PORT
B=http://127.0.0.1:$PORT
start server "$PORT"
. "$WORK/data/admin.env"

ADMIN=$(curl -s -u "$ADMIN_CLIENT_ID:$ADMIN_CLIENT_SECRET" -d grant_type=client_credentials "$B/oauth2/token" | member access_token)
status 201 -H "Authorization: Bearer $ADMIN" "$B/admin/v1/clients" -d '{"client_id":"stats-reader","client_name":"stats-reader",
    "contacts":["ops@example.com"],"grant_types":["client_credentials"],"scopes":["urn:gatewright:admin:stats.read"]}'
CID=$(member client_id <<<"$BODY")
CSEC=$(member client_secret <<<"$BODY")
status 200 -H "Authorization: Bearer $ADMIN" "$B/admin/v1/clients/$CID"
case $BODY in *client_secret\":*) fail "the secret is shown again: $BODY" ;; esac

# The lines of the specification.
ANSWER=$(curl -i -s --user "$CID:$CSEC" --data "grant_type=client_credentials" "$B/oauth2/token" | tr -d '\r')
says "$ANSWER" 'HTTP/1.1 200' 'content-type: application/json' 'cache-control: no-store' \
    '"token_type":"Bearer","expires_in":3600,"scope":"stats.read"}'
T=$(member access_token <<<"$(tail -n 1 <<<"$ANSWER")")
ANSWER=$(curl -i -s --user "$CID:wrong" --data "grant_type=client_credentials" "$B/oauth2/token" | tr -d '\r')
says "$ANSWER" 'HTTP/1.1 401' '"error":"invalid_client"' 'www-authenticate: Basic realm='
ANSWER=$(curl -i -s -H "Authorization: Bearer $T" "$B/admin/v1/stats/latest/instance" | tr -d '\r')
says "$ANSWER" 'HTTP/1.1 200' '{"items":[{' '"log_day":"'
ANSWER=$(curl -i -s "$B/admin/v1/stats/latest/instance" | tr -d '\r')
says "$ANSWER" 'HTTP/1.1 401' 'www-authenticate: Bearer'
ANSWER=$(curl -i -s -X POST -H "Authorization: Bearer $T" -d '{}' "$B/admin/v1/clients" | tr -d '\r')
says "$ANSWER" 'HTTP/1.1 403' 'error="insufficient_scope"'

# What the seed's page prints wrongly: no scheme, and a colon after Bearer (A-04, A-10).
status 401 -H "Authorization: $(printf '%s:%s' "$CID" "$CSEC" | base64 -w 0)" -d grant_type=client_credentials "$B/oauth2/token"
status 401 -H "Authorization: Bearer: $T" "$B/admin/v1/stats/latest/instance"
echo passed
