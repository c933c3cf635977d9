// A-08, MD-01: openid-client finds everything by discovery, gets a token and uses it.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as client from 'openid-client';
import { test } from './report.mjs';

const { ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env;
const route = new URL(`${ISSUER}/orders/1`);

/** The authorizer learns of a revocation by its feed, within GATEWRIGHT_FEED_SECONDS. */
async function refusedSoon(token) {
  const deadline = Date.now() + 8_000;
  while ((await fetch(route, { headers: { authorization: `Bearer ${token}` } })).status !== 401) {
    assert(Date.now() < deadline, 'the route still takes the revoked token');
    await sleep(200);
  }
}

// RFC 8414, and OpenID Connect Discovery. The server is on loopback, so plain HTTP is allowed.
const discover = (algorithm, secret) =>
  client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretBasic(secret), { algorithm, execute: [client.allowInsecureRequests] });

for (const algorithm of ['oauth2', 'oidc']) {
  await test(`openid-client, discovery of ${algorithm}: token, route, introspection, revocation`, async () => {
    const config = await discover(algorithm, CLIENT_SECRET);
    const token = await client.clientCredentialsGrant(config);
    assert.equal(token.token_type.toLowerCase(), 'bearer');
    const answer = await client.fetchProtectedResource(config, token.access_token, route, 'GET');
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).principal.client_id, CLIENT_ID);
    const seen = await client.tokenIntrospection(config, token.access_token);
    assert.equal(seen.active, true);
    assert.equal(seen.iss, ISSUER);
    await client.tokenRevocation(config, token.access_token);
    assert.equal((await client.tokenIntrospection(config, token.access_token)).active, false);
    await refusedSoon(token.access_token);
  });
}

await test('openid-client asks for a scope and a resource, and reads the refusal of a foreign one', async () => {
  const config = await discover('oauth2', CLIENT_SECRET);
  const token = await client.clientCredentialsGrant(config, { scope: 'read', resource: 'https://orders.example/' });
  assert.equal(token.scope, 'read');
  const refused = { name: 'ResponseBodyError', error: 'invalid_target' };
  await assert.rejects(client.clientCredentialsGrant(config, { resource: 'https://ledger.example/' }), refused);
});

await test('openid-client reads the refusal of a wrong secret and its challenge', async () => {
  const config = await discover('oauth2', 'wrong');
  await assert.rejects(client.clientCredentialsGrant(config), (error) => {
    assert(['invalid_client', undefined].includes(error.error), error);
    assert.equal(error.status ?? error.cause?.status ?? error.response?.status, 401);
    return true;
  });
});
