"""A-08: stock OAuth client libraries get a token with only token URL, id and secret, and use it."""

import os
import time

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # The server is on loopback.

import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError
from requests_oauthlib import OAuth2Session

from report import end, test

ISSUER, ID, SECRET = os.environ["ISSUER"], os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
TOKEN, INTROSPECT, REVOKE = (f"{ISSUER}/oauth2/{name}" for name in ("token", "introspect", "revoke"))
ROUTE = f"{ISSUER}/orders/1"


def refused_soon(token):
    """The authorizer learns of a revocation by its feed, within GATEWRIGHT_FEED_SECONDS."""
    deadline = time.monotonic() + 8
    while requests.get(ROUTE, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code != 401:
        assert time.monotonic() < deadline, "the route still takes the revoked token"
        time.sleep(0.2)


def authlib(method):
    def run():
        session = AuthlibSession(ID, SECRET, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method)
        token = session.fetch_token(TOKEN, grant_type="client_credentials")
        assert token["token_type"] == "Bearer" and token["scope"] == "read", token
        answer = session.get(ROUTE)
        assert answer.status_code == 200 and answer.json()["principal"]["client_id"] == ID, answer.text
        seen = session.introspect_token(INTROSPECT, token=token["access_token"]).json()
        assert seen["active"] is True and seen["client_id"] == ID, seen
        assert session.revoke_token(REVOKE, token=token["access_token"]).status_code == 200
        assert session.introspect_token(INTROSPECT, token=token["access_token"]).json() == {"active": False}
        refused_soon(token["access_token"])

    return run


def authlib_wrong_secret():
    session = AuthlibSession(ID, "wrong")
    try:
        session.fetch_token(TOKEN, grant_type="client_credentials")
    except Exception as error:
        assert "invalid_client" in str(error), error
    else:
        raise AssertionError("a wrong secret got a token")


def requests_oauthlib():
    session = OAuth2Session(client=BackendApplicationClient(client_id=ID))
    token = session.fetch_token(TOKEN, client_id=ID, client_secret=SECRET)
    answer = session.get(ROUTE)
    assert answer.status_code == 200 and answer.json()["principal"]["client_id"] == ID, answer.text

    def ask(url):  # The library leaves these two to requests.
        return requests.post(url, auth=(ID, SECRET), data={"token": token["access_token"]}, timeout=10)

    assert ask(INTROSPECT).json()["active"] is True
    assert ask(REVOKE).status_code == 200
    assert ask(INTROSPECT).json() == {"active": False}
    refused_soon(token["access_token"])


def requests_oauthlib_wrong_secret():
    session = OAuth2Session(client=BackendApplicationClient(client_id=ID))
    try:
        session.fetch_token(TOKEN, client_id=ID, client_secret="wrong")
    except InvalidClientError:
        return
    raise AssertionError("a wrong secret got a token")


test("Authlib, client_secret_basic: token, route, introspection, revocation", authlib("client_secret_basic"))
test("Authlib reads the refusal of a wrong secret", authlib_wrong_secret)
test("requests-oauthlib, Basic: token, route, introspection, revocation", requests_oauthlib)
test("requests-oauthlib reads the refusal of a wrong secret", requests_oauthlib_wrong_secret)
ID, SECRET = os.environ["POST_CLIENT_ID"], os.environ["POST_CLIENT_SECRET"]
test("Authlib, client_secret_post: token, route, introspection, revocation", authlib("client_secret_post"))
end()
