"""The quick start as curl would do it, with the answers pinned: no token 401, no role 403, 200, revoked 401; and the challenges on the way."""

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

ISSUER = os.environ["ISSUER"]
# Whether the orders API has gateway responses that the emulator applies: it knows them as resources, not in an OpenAPI document, and never
# the challenge that they take from the authorizer's context.
GATEWAY_RESPONSES = os.environ.get("GATEWAY_RESPONSES") == "1"
# An HTTP API behind the same authorizer, where there is one.
HTTP_API = os.environ.get("HTTP_API")
ROOT = (os.environ["GATEWRIGHT_ADMIN_CLIENT_ID"], os.environ["GATEWRIGHT_ADMIN_CLIENT_SECRET"])


def ask(method, path, body=None, basic=None, bearer=None, at=ISSUER):
    """Status, headers and body of a call; a dict is sent as a form, a list of one dict as JSON."""
    request = urllib.request.Request(at + path, method=method)
    if isinstance(body, dict):
        request.data = urllib.parse.urlencode(body).encode()
    elif body:
        request.data = json.dumps(body[0]).encode()
        request.add_header("Content-Type", "application/json")
    if basic:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(basic).encode()).decode())
    if bearer:
        request.add_header("Authorization", f"Bearer {bearer}")
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.headers, answer.read().decode()


def token(basic):
    status, _, body = ask("POST", "/oauth2/token", {"grant_type": "client_credentials"}, basic)
    assert status == 200, body
    return json.loads(body)["access_token"]


def soon(expected, *call, **how):
    """The authorizer hears of changes within GATEWRIGHT_FEED_SECONDS."""
    deadline = time.monotonic() + 10
    while (answer := ask(*call, **how))[0] != expected:
        assert time.monotonic() < deadline, f"{call}: {answer}, expected {expected}"
        time.sleep(0.2)
    return answer


admin = token(ROOT)
assert ask("POST", "/admin/v1/roles", [{"name": "packer"}], bearer=admin)[0] == 201
privilege = {"name": "packing", "api": "orders", "routes": [{"methods": ["POST"], "path": "/orders"}], "roles": ["packer"]}
assert ask("POST", "/admin/v1/privileges", [privilege], bearer=admin)[0] == 201
client = {"client_id": "packer", "client_name": "Packer", "grant_types": ["client_credentials"], "scopes": ["https://orders.example/read"]}
status, _, body = ask("POST", "/admin/v1/clients", [client], bearer=admin)
assert status == 201, body
packer = ("packer", json.loads(body)["client_secret"])
bearer = token(packer)

status, headers, body = ask("POST", "/orders")
assert (status, json.loads(body)) == (401, {"message": "Unauthorized"}), (status, body)
if GATEWAY_RESPONSES:
    assert headers["www-authenticate"] == 'Bearer realm="gatewright"', headers
status, headers, body = soon(403, "POST", "/orders", bearer=bearer)
if GATEWAY_RESPONSES:
    assert json.loads(body) == {"message": "Forbidden"}, body
if HTTP_API:
    soon(403, "POST", "/orders", bearer=bearer, at=HTTP_API)
assert ask("PUT", "/admin/v1/clients/packer/roles/packer", bearer=admin)[0] == 204
status, _, body = soon(200, "POST", "/orders", bearer=bearer)
assert json.loads(body)["principal"]["client_id"] == "packer", body
if HTTP_API:
    # It has no more to say of a revoked token than 500: the emulator makes that of any error of an authorizer.
    soon(200, "POST", "/orders", bearer=bearer, at=HTTP_API)
# however a path is spelled, who may call /orders/1 calls that or nothing.
for path in ("//orders/1", "/orders//1", "/./orders/1", "/x/../orders/1", "/orders/%2e%2e/orders/1", "/orders/1;x", "/orders%2F1", "/ORDERS/1"):
    status, _, body = ask("GET", path, bearer=bearer)
    assert status in (400, 401, 403, 404) or status == 200 and json.loads(body)["path"] == "/orders/1", (path, status, body)
assert ask("POST", "/oauth2/revoke", {"token": bearer}, packer)[0] == 200
soon(401, "POST", "/orders", bearer=bearer)

# the challenges of the endpoints themselves.
status, headers, _ = ask("POST", "/oauth2/token", {"grant_type": "client_credentials"}, ("packer", "wrong"))
assert (status, headers["www-authenticate"]) == (401, 'Basic realm="gatewright"'), (status, headers)
status, headers, _ = ask("GET", "/admin/v1/clients")
assert status == 401 and headers["www-authenticate"].startswith('Bearer realm="gatewright"'), (status, headers)
assert ask("GET", "/oauth2/unknown")[0] == 404
print("ok      the quick start: 401, 403, 200, revoked 401")
print("1 passed, 0 failed")
