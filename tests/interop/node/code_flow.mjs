// O-08, A-08, RT-01, RT-02: openid-client makes the authorization URL, checks the answer's `iss` (RFC 9207), redeems the code and refreshes.

import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { allow } from './people.mjs';
import { test } from './report.mjs';

const { ISSUER, APP_ID, APP_SECRET, NATIVE_ID, REDIRECT_URI, USERNAME } = process.env;
const route = new URL(`${ISSUER}/orders/1`);

const discover = (id, authentication) =>
  client.discovery(new URL(ISSUER), id, undefined, authentication, { algorithm: 'oauth2', execute: [client.allowInsecureRequests] });
const applications = [
  ['a web application', () => discover(APP_ID, client.ClientSecretBasic(APP_SECRET))],
  ['a native application', () => discover(NATIVE_ID, client.None())],
];

/** What an application keeps of its request, and the address that the user came back with. */
async function asked(config) {
  const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState() };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'https://orders.example/read',
    state: checks.expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  return { checks, back: await allow(url) };
}

for (const [name, configured] of applications) {
  await test(`openid-client, ${name}: code with PKCE, route, refresh; a code is good once`, async () => {
    const config = await configured();
    const use = async (token) => {
      const answer = await client.fetchProtectedResource(config, token, route, 'GET');
      assert.equal((await answer.json()).principal.username, USERNAME);
    };
    const { checks, back } = await asked(config);
    const tokens = await client.authorizationCodeGrant(config, back, checks);
    assert.equal(tokens.scope, 'read');
    await use(tokens.access_token);
    const again = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(again.refresh_token, tokens.refresh_token);
    await use(again.access_token);
    await assert.rejects(client.authorizationCodeGrant(config, back, checks), { error: 'invalid_grant' });
  });
}

await test('openid-client refuses an answer of another issuer, and one without its issuer', async () => {
  const config = await applications[0][1]();
  const { checks, back } = await asked(config);
  // Nothing was sent: the code is still good afterwards.
  const refusal = (error) => /\biss\b/.test(error.cause?.message ?? error.message);
  const foreign = new URL(back);
  foreign.searchParams.set('iss', 'https://evil.example');
  await assert.rejects(client.authorizationCodeGrant(config, foreign, checks), refusal);
  foreign.searchParams.delete('iss');
  await assert.rejects(client.authorizationCodeGrant(config, foreign, checks), refusal);
  assert.equal((await client.authorizationCodeGrant(config, back, checks)).scope, 'read');
});

await test('openid-client reads the refusal of a wrong verifier', async () => {
  const config = await applications[1][1]();
  const { checks, back } = await asked(config);
  const wrong = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
  await assert.rejects(client.authorizationCodeGrant(config, back, wrong), { error: 'invalid_grant' });
});
