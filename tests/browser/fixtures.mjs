// What the pages are about: an Api, a user and clients, made by the admin API; and the application that a browser is sent back to.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const { ISSUER, ADMIN_ID, ADMIN_SECRET } = process.env;
export const PASSWORD = 'correct horse: battery stäple';
export const VERIFIER = randomBytes(32).toString('base64url');
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
const LONG_NAME = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft: all of it';
const LONG_SCOPE = `statements.${'of-every-account-that-was-ever-opened.'.repeat(2)}read`;

/** A name that wants to be more than text, and to be read from the right. */
export const HOSTILE_NAME = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp.exe';

export const EVERYTHING = ['read', 'write', LONG_SCOPE].map((scope) => `https://orders.example/${scope}`).join(' ');

/** A request to the server, by a program. */
export async function post(path, authorization, form) {
  const answer = await fetch(`${ISSUER}${path}`, { method: 'POST', headers: authorization ? { authorization } : {}, body: new URLSearchParams(form) });
  return { status: answer.status, body: await answer.json() };
}

const basic = (id, secret) => `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`;

/** The application's side: it shows a page and the tests read the address that the browser came with. */
export async function application() {
  const referers = [];
  const server = createServer((request, response) => {
    if (request.headers.referer) referers.push(request.headers.referer);
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end('<!doctype html><html lang="en"><title>The application</title><link rel="icon" href="data:,"><p id="back">Welcome back');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, referers, callback: `http://127.0.0.1:${server.address().port}/cb` };
}

/** Makes everything; gives the clients' `Authorization` by their id. */
export async function fixtures(callback) {
  const { body } = await post('/oauth2/token', basic(ADMIN_ID, ADMIN_SECRET), { grant_type: 'client_credentials' });
  const admin = async (method, path, object) => {
    const headers = { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${ISSUER}/admin/v1${path}`, { method, headers, body: object && JSON.stringify(object) });
    const text = await answer.text();
    assert(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
  await admin('POST', '/apis', {
    name: 'orders',
    audience: 'https://orders.example/',
    access: 'authenticated',
    scopes: [{ value: 'read', description: 'See your orders' }, { value: 'write', description: 'Change your orders' }, { value: LONG_SCOPE }],
  });
  await admin('POST', '/groups', { name: 'clerks', realm: 'staff' });
  const users = {};
  for (const username of ['alice', 'bob', 'carol']) {
    users[username] = (await admin('POST', '/users', { realm: 'staff', username, password: PASSWORD, groups: ['clerks'] })).user_id;
  }
  const clients = {};
  for (const [id, client_name, client_type] of [
    ['app', "The shop's app", 'confidential'],
    ['long', LONG_NAME, 'public'],
    ['phone', 'Orders for phones', 'public'],
    ['hostile', HOSTILE_NAME, 'public'],
  ]) {
    const made = await admin('POST', '/clients', {
      client_id: id,
      client_name,
      client_type,
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [callback],
      allowed_origins: id === 'phone' ? [new URL(callback).origin] : [],
      realm: 'staff',
      scopes: EVERYTHING.split(' '),
    });
    clients[id] = made.client_secret && basic(id, made.client_secret);
    await admin('PUT', `/clients/${id}/assignments/groups/clerks`);
  }
  return clients;
}

/** The address that an application sends its user to. */
export function request(callback, changes = {}) {
  const scope = ['read', 'write'].map((value) => `https://orders.example/${value}`).join(' ');
  const parameters = { response_type: 'code', client_id: 'app', redirect_uri: callback, scope, state: 'xyz', code_challenge: CHALLENGE };
  return `${ISSUER}/oauth2/authorize?${new URLSearchParams({ ...parameters, code_challenge_method: 'S256', ...changes })}`;
}
