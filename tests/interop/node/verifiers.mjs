// MD-17, I-19: tokens of both algorithms verify by the key set alone; a wrong audience and an altered token do not.

import assert from 'node:assert/strict';
import { JwtVerifier } from 'aws-jwt-verify';
import { JwtInvalidAudienceError, JwtInvalidSignatureError } from 'aws-jwt-verify/error';
import { SimpleJwksCache } from 'aws-jwt-verify/jwk';
import * as jose from 'jose';
import { test } from './report.mjs';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, RSA_CLIENT_ID, RSA_CLIENT_SECRET } = process.env;
const issuer = ISSUER;
const { jwks_uri: jwksUri } = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json();

async function tokenOf(id, secret) {
  const answer = await fetch(`${ISSUER}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  return (await answer.json()).access_token;
}

/** The token with another `sub`, under the old signature. */
function altered(token) {
  const [header, , signature] = token.split('.');
  const claims = { ...jose.decodeJwt(token), sub: 'somebody-else' };
  return `${header}.${jose.base64url.encode(JSON.stringify(claims))}.${signature}`;
}

const cases = [
  ['ES256', 'https://orders.example/', CLIENT_ID, CLIENT_SECRET],
  ['RS256', 'https://ledger.example/', RSA_CLIENT_ID, RSA_CLIENT_SECRET],
];
for (const [algorithm, audience, id, secret] of cases) {
  const token = await tokenOf(id, secret);

  await test(`jose verifies ${algorithm} by createRemoteJWKSet, and no wrong audience and no alteration`, async () => {
    const keys = jose.createRemoteJWKSet(new URL(jwksUri));
    const options = { issuer, audience, algorithms: [algorithm], typ: 'at+jwt', requiredClaims: ['client_id', 'jti', 'iat', 'exp'] };
    const { payload } = await jose.jwtVerify(token, keys, options);
    assert.equal(payload.client_id, id);
    await assert.rejects(jose.jwtVerify(token, keys, { ...options, audience: 'https://other.example/' }), { claim: 'aud' });
    await assert.rejects(jose.jwtVerify(altered(token), keys, options), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
  });

  await test(`aws-jwt-verify verifies ${algorithm}, and no wrong audience and no alteration`, async () => {
    // Its own fetcher takes https only, and the server is on loopback.
    const fetcher = { fetch: async (uri) => (await fetch(uri)).arrayBuffer() };
    const verifier = (audience) => JwtVerifier.create({ issuer, audience, jwksUri }, { jwksCache: new SimpleJwksCache({ fetcher }) });
    assert.equal((await verifier(audience).verify(token)).client_id, id);
    await assert.rejects(verifier('https://other.example/').verify(token), JwtInvalidAudienceError);
    await assert.rejects(verifier(audience).verify(altered(token)), JwtInvalidSignatureError);
  });
}
