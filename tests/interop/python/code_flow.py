"""O-08, A-08, RT-01: stock libraries make the authorization URL, redeem the code and refresh; the user is in `people.py`."""

import os

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # The server is on loopback.

from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import InvalidGrantError
from requests_oauthlib import OAuth2Session

from people import allow
from report import end, test

ISSUER, REDIRECT = os.environ["ISSUER"], os.environ["REDIRECT_URI"]
AUTHORIZE, TOKEN = f"{ISSUER}/oauth2/authorize", f"{ISSUER}/oauth2/token"
SCOPE = "https://orders.example/read"
ROUTE = f"{ISSUER}/orders/1"
VERIFIER = "a-verifier-of-43-characters-or-more-as-it-must-be"


def used(session):
    answer = session.get(ROUTE)
    assert answer.status_code == 200 and answer.json()["principal"]["username"] == os.environ["USERNAME"], answer.text


def authlib(client_id, secret, method):
    def run():
        session = AuthlibSession(
            client_id, secret, scope=SCOPE, redirect_uri=REDIRECT, code_challenge_method="S256", token_endpoint_auth_method=method
        )
        url, state = session.create_authorization_url(AUTHORIZE, code_verifier=VERIFIER)
        back = allow(url)
        token = session.fetch_token(TOKEN, authorization_response=back, code_verifier=VERIFIER, state=state)
        assert token["scope"] == "read" and token["refresh_token"], token
        used(session)
        again = session.refresh_token(TOKEN)
        assert again["access_token"] != token["access_token"] and again["refresh_token"] != token["refresh_token"], again
        used(session)

    return run


def requests_oauthlib():
    # The server answers with the scope as its Api calls it; this library takes another spelling than its own for a change, so it asks for
    # the short one and names the resource (RFC 8707).
    session = OAuth2Session(os.environ["APP_ID"], scope=["read"], redirect_uri=REDIRECT, pkce="S256")
    url, _ = session.authorization_url(AUTHORIZE, resource="https://orders.example/")
    back = allow(url)
    token = session.fetch_token(TOKEN, authorization_response=back, client_secret=os.environ["APP_SECRET"])
    used(session)
    auth = (os.environ["APP_ID"], os.environ["APP_SECRET"])
    again = session.refresh_token(TOKEN, auth=auth)
    assert again["refresh_token"] != token["refresh_token"], again
    used(session)
    try:
        session.fetch_token(TOKEN, authorization_response=back, client_secret=os.environ["APP_SECRET"])
    except InvalidGrantError:
        return
    raise AssertionError("a code was good twice")


test("Authlib, a web application: code with PKCE, route, refresh", authlib(os.environ["APP_ID"], os.environ["APP_SECRET"], "client_secret_basic"))
test("Authlib, a native application: code with PKCE, route, refresh", authlib(os.environ["NATIVE_ID"], None, "none"))
test("requests-oauthlib: code with PKCE, route, refresh; a code is good once", requests_oauthlib)
end()
