// MD-17, I-19: tokens of both algorithms verify by the key set alone; an expired one, another audience, another issuer and an altered
// token do not. One line for each verifier and algorithm of docs/verifiers.md, and the figures that it gives of their caches.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { JwtRsaVerifier, JwtVerifier } from 'aws-jwt-verify';
import * as faults from 'aws-jwt-verify/error';
import { SimpleJwksCache, SimplePenaltyBox } from 'aws-jwt-verify/jwk';
import * as jose from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import jwksRsa from 'jwks-rsa';
import { test } from './report.mjs';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, RSA_CLIENT_ID, RSA_CLIENT_SECRET } = process.env;
const { HASTY_ID, HASTY_SECRET, RSA_HASTY_ID, RSA_HASTY_SECRET } = process.env;
const { issuer, jwks_uri: jwksUri } = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json();

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

// aws-jwt-verify's own fetcher takes https only, and the server is on loopback.
const fetcher = { fetch: async (uri) => (await fetch(uri)).arrayBuffer() };
const awsJwtVerify = (Verifier) => (token, algorithm, { issuer, audience }) =>
  Verifier.create({ issuer, audience, jwksUri }, { jwksCache: new SimpleJwksCache({ fetcher }) }).verify(token);

// Each verifies a token and gives its claims, and says what it calls what is wrong with one.
const verifiers = {
  'jose createRemoteJWKSet': {
    verify: async (token, algorithm, { issuer, audience }) => {
      const options = { issuer, audience, algorithms: [algorithm], typ: 'at+jwt', requiredClaims: ['client_id', 'jti', 'iat', 'exp'] };
      return (await jose.jwtVerify(token, jose.createRemoteJWKSet(new URL(jwksUri)), options)).payload;
    },
    expired: { code: 'ERR_JWT_EXPIRED' },
    otherAudience: { claim: 'aud' },
    otherIssuer: { claim: 'iss' },
    altered: { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' },
  },
  'aws-jwt-verify JwtVerifier': {
    verify: awsJwtVerify(JwtVerifier),
    expired: faults.JwtExpiredError,
    otherAudience: faults.JwtInvalidAudienceError,
    otherIssuer: faults.JwtInvalidIssuerError,
    altered: faults.JwtInvalidSignatureError,
  },
  'jsonwebtoken with jwks-rsa': {
    verify: async (token, algorithm, { issuer, audience }) => {
      const key = await jwksRsa({ jwksUri }).getSigningKey(jose.decodeProtectedHeader(token).kid);
      return jsonwebtoken.verify(token, key.getPublicKey(), { algorithms: [algorithm], issuer, audience });
    },
    expired: { message: 'jwt expired' },
    otherAudience: { message: /^jwt audience invalid/ },
    otherIssuer: { message: /^jwt issuer invalid/ },
    altered: { message: 'invalid signature' },
  },
};

const cases = [
  ['ES256', 'https://orders.example/', CLIENT_ID, CLIENT_SECRET, HASTY_ID, HASTY_SECRET],
  ['RS256', 'https://ledger.example/', RSA_CLIENT_ID, RSA_CLIENT_SECRET, RSA_HASTY_ID, RSA_HASTY_SECRET],
];
for (const [algorithm, audience, id, secret, hastyId, hastySecret] of cases) {
  const token = await tokenOf(id, secret);
  const expired = await tokenOf(hastyId, hastySecret);
  while (Date.now() < jose.decodeJwt(expired).exp * 1000) await sleep(100);
  const expected = { issuer, audience };
  for (const [name, verifier] of Object.entries(verifiers)) {
    await test(`${name} takes ${algorithm}, and none that is expired, for others, of another issuer or altered`, async () => {
      assert.equal((await verifier.verify(token, algorithm, expected)).client_id, id);
      await assert.rejects(verifier.verify(expired, algorithm, expected), verifier.expired);
      await assert.rejects(verifier.verify(token, algorithm, { ...expected, audience: 'https://other.example/' }), verifier.otherAudience);
      await assert.rejects(verifier.verify(token, algorithm, { ...expected, issuer: 'https://other.example' }), verifier.otherIssuer);
      await assert.rejects(verifier.verify(altered(token), algorithm, expected), verifier.altered);
    });
  }
}

await test('aws-jwt-verify takes ES256 by its JwtRsaVerifier too, whatever the name says', async () => {
  const token = await tokenOf(CLIENT_ID, CLIENT_SECRET);
  assert.equal((await awsJwtVerify(JwtRsaVerifier)(token, 'ES256', { issuer, audience: 'https://orders.example/' })).client_id, CLIENT_ID);
});

// The key sets of the tests below: a key that was withdrawn, and the one that came for it.
async function keyPair(kid) {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256');
  const jwk = { ...(await jose.exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
  const sign = () => new jose.SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).setIssuer(issuer).setAudience('a').setExpirationTime('1h').sign(privateKey);
  return { jwk, token: await sign() };
}
const [old, next] = [await keyPair('old'), await keyPair('next')];

await test('aws-jwt-verify keeps a key set until a token of another key comes, and waits 10 s after a look in vain', async () => {
  assert.equal(new SimplePenaltyBox().waitSeconds, 10);
  let fetches = 0;
  const fetcher = { fetch: async () => new TextEncoder().encode(JSON.stringify({ keys: [fetches++ ? next.jwk : old.jwk] })).buffer };
  const verifier = JwtVerifier.create({ issuer, audience: 'a', jwksUri }, { jwksCache: new SimpleJwksCache({ fetcher }) });
  for (let call = 0; call < 3; call++) await verifier.verify(old.token);
  assert.equal(fetches, 1);
  await verifier.verify(next.token);
  assert.equal(fetches, 2);
  await assert.rejects(verifier.verify(old.token), faults.KidNotFoundInJwksError);
});

await test('jose keeps a key set for 10 min and fetches for an unknown kid 30 s after the last fetch, whatever Cache-Control says', async () => {
  const real = Date.now;
  let fetches = 0;
  let keys = [old.jwk];
  const headers = { 'cache-control': 'no-store, max-age=0' };
  const customFetch = async () => (fetches++, Response.json({ keys }, { headers }));
  const set = jose.createRemoteJWKSet(new URL(jwksUri), { [jose.customFetch]: customFetch });
  const at = (seconds) => (Date.now = () => real() + seconds * 1000);
  try {
    await jose.jwtVerify(old.token, set);
    keys = [next.jwk];
    at(29);
    await assert.rejects(jose.jwtVerify(next.token, set), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    at(595);
    await jose.jwtVerify(old.token, set, { currentDate: new Date(real()) });
    assert.equal(fetches, 1);
    await jose.jwtVerify(next.token, set, { currentDate: new Date(real()) });
    assert.equal(fetches, 2);
    keys = [old.jwk];
    at(595 + 595);
    await jose.jwtVerify(next.token, set, { currentDate: new Date(real()) });
    at(595 + 605);
    await assert.rejects(jose.jwtVerify(next.token, set, { currentDate: new Date(real()) }), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  } finally {
    Date.now = real;
  }
});

await test('jwks-rsa keeps a key for 10 min and fetches for an unknown kid', async () => {
  const real = performance.now;
  let fetches = 0;
  let keys = [old.jwk];
  const client = jwksRsa({ jwksUri, fetcher: async () => (fetches++, { keys }) });
  // Its cache remembers what time it is for a millisecond.
  const at = async (seconds) => ((performance.now = () => real.call(performance) + seconds * 1000), await sleep(20));
  try {
    await client.getSigningKey('old');
    keys = [next.jwk];
    await at(595);
    await client.getSigningKey('old');
    assert.equal(fetches, 1);
    await client.getSigningKey('next');
    assert.equal(fetches, 2);
    await at(605);
    await assert.rejects(client.getSigningKey('old'), { name: 'SigningKeyNotFoundError' });
  } finally {
    performance.now = real;
  }
});
