"""MD-17, I-19: tokens of both algorithms verify by discovery and key set alone; an expired one, another audience, another issuer and an
altered token do not. One line for each algorithm of docs/verifiers.md, and the figures that it gives of the cache."""

import base64
import inspect
import json
import os
import time

import jwt
import requests

from report import end, test

ISSUER = os.environ["ISSUER"]


def token_of(id_variable, secret_variable):
    auth = (os.environ[id_variable], os.environ[secret_variable])
    answer = requests.post(f"{ISSUER}/oauth2/token", auth=auth, data={"grant_type": "client_credentials"}, timeout=10)
    return answer.json()["access_token"]


def keys():
    metadata = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=10).json()
    assert metadata["issuer"] == ISSUER, metadata
    return jwt.PyJWKClient(metadata["jwks_uri"])


def refused(error, token, key, algorithm, audience, issuer=ISSUER):
    try:
        jwt.decode(token, key, algorithms=[algorithm], audience=audience, issuer=issuer)
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


def verifies(algorithm, audience, of_rsa):
    def run():
        id_variable = f"{of_rsa}CLIENT_ID"
        token = token_of(id_variable, f"{of_rsa}CLIENT_SECRET")
        expired = token_of(f"{of_rsa}HASTY_ID", f"{of_rsa}HASTY_SECRET")
        header = jwt.get_unverified_header(token)
        assert (header["typ"], header["alg"]) == ("at+jwt", algorithm), header
        key = keys().get_signing_key_from_jwt(token)
        required = {"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]}
        claims = jwt.decode(token, key, algorithms=[algorithm], audience=audience, issuer=ISSUER, options=required)
        assert claims["sub"] == claims["client_id"] == os.environ[id_variable], claims
        refused(jwt.InvalidAudienceError, token, key, algorithm, "https://other.example/")
        refused(jwt.InvalidIssuerError, token, key, algorithm, audience, "https://other.example")
        while time.time() < jwt.decode(expired, options={"verify_signature": False})["exp"]:
            time.sleep(0.1)
        refused(jwt.ExpiredSignatureError, expired, key, algorithm, audience)
        head, body, signature = token.split(".")
        claims["sub"] = "somebody-else"
        altered = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        refused(jwt.InvalidSignatureError, f"{head}.{altered}.{signature}", key, algorithm, audience)
        refused(jwt.InvalidAlgorithmError, token, key, "RS256" if algorithm == "ES256" else "ES256", audience)

    return run


def key_set():
    answer = requests.get(f"{ISSUER}/.well-known/jwks.json", timeout=10)
    assert answer.status_code == 200
    for key in answer.json()["keys"]:
        private = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & set(key)
        assert not private, private
    assert {key["kty"] for key in answer.json()["keys"]} == {"EC", "RSA"}, answer.text


def cache():
    defaults = inspect.signature(jwt.PyJWKClient).parameters
    figures = {name: defaults[name].default for name in ("cache_keys", "cache_jwk_set", "lifespan", "cooldown_duration")}
    assert figures == {"cache_keys": False, "cache_jwk_set": True, "lifespan": 300, "cooldown_duration": 30}, figures


for algorithm, audience, of_rsa in (("ES256", "https://orders.example/", ""), ("RS256", "https://ledger.example/", "RSA_")):
    name = f"PyJWT takes {algorithm}, and none that is expired, for others, of another issuer, altered or of another algorithm"
    test(name, verifies(algorithm, audience, of_rsa))
test("PyJWKClient keeps a key set for 300 s and fetches for an unknown kid 30 s after the last fetch", cache)
test("the key set is public and has no private member", key_set)
end()
