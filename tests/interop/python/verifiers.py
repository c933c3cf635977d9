"""MD-17, I-19: tokens of both algorithms verify by discovery and key set alone; a wrong audience and an altered token do not."""

import base64
import json
import os

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


def refused(error, token, key, algorithm, audience):
    try:
        jwt.decode(token, key, algorithms=[algorithm], audience=audience, issuer=ISSUER)
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


def verifies(algorithm, audience, id_variable, secret_variable):
    def run():
        token = token_of(id_variable, secret_variable)
        header = jwt.get_unverified_header(token)
        assert (header["typ"], header["alg"]) == ("at+jwt", algorithm), header
        key = keys().get_signing_key_from_jwt(token)
        required = {"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]}
        claims = jwt.decode(token, key, algorithms=[algorithm], audience=audience, issuer=ISSUER, options=required)
        assert claims["sub"] == claims["client_id"] == os.environ[id_variable], claims
        refused(jwt.InvalidAudienceError, token, key, algorithm, "https://other.example/")
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


test("PyJWT verifies ES256 by the key set, and no wrong audience, alteration or algorithm", verifies("ES256", "https://orders.example/", "CLIENT_ID", "CLIENT_SECRET"))
test("PyJWT verifies RS256 by the key set, and no wrong audience, alteration or algorithm", verifies("RS256", "https://ledger.example/", "RSA_CLIENT_ID", "RSA_CLIENT_SECRET"))
test("the key set is public and has no private member", key_set)
end()
