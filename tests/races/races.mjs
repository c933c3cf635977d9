// CC-01, CC-02, CC-03, G-08, 5.6 #4 and #5, MI-04, MI-05: who wins when one hundred equal requests meet at two processes.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';

const { A, B, SECRET } = process.env;
const ROUNDS = Number(process.argv[2]);
const AT_ONCE = 100;
const PASSWORD = 'correct horse battery';
const CALLBACK = 'http://127.0.0.1:9/cb';
const VERIFIER = randomBytes(32).toString('base64url');
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE / 2 });

/** Status, headers and text of an answer; nothing is followed. */
function send(method, url, headers = {}, body = '') {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) }, agent }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    sent.on('error', reject).end(body);
  });
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const basic = (id, secret) => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` });
const form = (fields) => new URLSearchParams(fields).toString();
const field = (page, name) => page.text.match(new RegExp(`name="${name}" value="([^"]*)"`))[1];

const admin = JSON.parse((await send('POST', `${A}/oauth2/token`, { ...FORM, ...basic('root', SECRET) }, 'grant_type=client_credentials')).text);
async function made(path, object, method = 'POST') {
  const headers = { authorization: `Bearer ${admin.access_token}`, 'content-type': 'application/json' };
  const answer = await send(method, `${A}/admin/v1${path}`, headers, object && JSON.stringify(object));
  assert([201, 204].includes(answer.status), `${path}: ${answer.status} ${answer.text}`);
  return answer.text && JSON.parse(answer.text);
}
await made('/apis', { name: 'orders', audience: 'https://orders.example/', scopes: [{ value: 'read' }] });
const { user_id: alice } = await made('/users', { username: 'alice', password: PASSWORD });
const app = await made('/clients', {
  client_id: 'app', client_name: 'app', grant_types: ['authorization_code', 'refresh_token'], redirect_uris: [CALLBACK],
  scopes: ['https://orders.example/read'],
});
await made(`/clients/app/assignments/users/${alice}`, undefined, 'PUT');
const CLIENT = { ...FORM, ...basic('app', app.client_secret) };

// Alice signs in at A and allows once; from then on each request gives a code.
const URL_OF_REQUEST = `/oauth2/authorize?${form({
  response_type: 'code', client_id: 'app', redirect_uri: CALLBACK, scope: 'https://orders.example/read', code_challenge: CHALLENGE, code_challenge_method: 'S256',
})}`;
let cookies = {};
const jar = () => ({ cookie: Object.entries(cookies).map(([name, value]) => `${name}=${value}`).join('; ') });
async function page(method, path, body) {
  const answer = await send(method, `${A}${path}`, { ...FORM, ...jar() }, body);
  for (const cookie of answer.headers['set-cookie'] ?? []) cookies[cookie.split('=')[0]] = cookie.split('=')[1].split(';')[0];
  return answer;
}
const press = (shown, fields) => page('POST', '/oauth2/authorize', form({ request: field(shown, 'request'), proof: field(shown, 'proof'), ...fields }));
await press(await page('GET', URL_OF_REQUEST), { action: 'sign_in', username: 'alice', password: PASSWORD });
await press(await page('GET', URL_OF_REQUEST), { action: 'approve', allow: 'read' });
async function code() {
  const answer = await page('GET', URL_OF_REQUEST);
  assert.equal(answer.status, 303, answer.text);
  return new URL(answer.headers.location).searchParams.get('code');
}

const token = (node, fields) => send('POST', `${node}/oauth2/token`, CLIENT, form(fields));
const redemption = (value) => ({ grant_type: 'authorization_code', code: value, redirect_uri: CALLBACK, code_verifier: VERIFIER });
const refresh = (value) => ({ grant_type: 'refresh_token', refresh_token: value });
const isActive = async (value) => JSON.parse((await send('POST', `${B}/oauth2/introspect`, CLIENT, form({ token: value }))).text).active;

/** The answers of equal requests, half of them to each node: those that were granted, and how often each other one came. */
async function meet(fields) {
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => token(at % 2 ? A : B, fields)));
  const others = {};
  for (const { status, text } of answers.filter((answer) => answer.status !== 200)) {
    const outcome = `${status} ${JSON.parse(text).error}`;
    others[outcome] = (others[outcome] ?? 0) + 1;
  }
  return { granted: answers.filter((answer) => answer.status === 200).map((answer) => JSON.parse(answer.text)), others };
}

const sums = { codes: {}, refreshes: {} };
const count = (kind, others) => Object.entries(others).forEach(([outcome, times]) => { sums[kind][outcome] = (sums[kind][outcome] ?? 0) + times; });
// A machine that is too slow for the engine's answers gives 503: nobody has two winners by that, and a few may have none.
const SLOW = '503 temporarily_unavailable';
const unexpected = (others, ...expected) => Object.keys(others).filter((outcome) => ![SLOW, ...expected].includes(outcome));
let ended = 0;
let most = 0;
let slow = 0;
for (let round = 0; round < ROUNDS; round += 1) {
  const { granted, others } = await meet(redemption(await code()));
  assert.deepEqual(unexpected(others, '400 invalid_grant'), [], `code ${round}`);
  count('codes', others);
  if (granted.length === 0 && others[SLOW]) {
    slow += 1;
    continue;
  }
  assert.equal(granted.length, 1, `code ${round}: ${granted.length} were granted, ${JSON.stringify(others)}`);
  // Who came after the winner has replayed the code, and that ends the grant; then nothing of it lives.
  if (!(await isActive(granted[0].access_token))) {
    ended += 1;
    assert.equal((await token(A, refresh(granted[0].refresh_token))).status, 400, `code ${round}: the refresh token of an ended grant`);
  }
}
for (let round = 0; round < ROUNDS; round += 1) {
  const first = JSON.parse((await token(B, redemption(await code()))).text);
  const { granted, others } = await meet(refresh(first.refresh_token));
  const successors = new Set(granted.map((tokens) => tokens.refresh_token));
  assert.deepEqual(unexpected(others), [], `refresh token ${round}: in the grace everybody gets the same successor`);
  count('refreshes', others);
  if (granted.length === 0 && others[SLOW]) {
    slow += 1;
    continue;
  }
  assert.equal(successors.size, 1, `refresh token ${round}: ${successors.size} successors, ${JSON.stringify(others)}`);
  most = Math.max(most, granted.length);
  // The family goes on by that one, and the one before is then a replay that ends it.
  const next = JSON.parse((await token(A, refresh([...successors][0]))).text);
  assert.equal((await token(B, refresh(first.refresh_token))).status, 400, `refresh token ${round}`);
  for (const tokens of [next, granted[0], first]) assert.equal(await isActive(tokens.access_token), false, `refresh token ${round}: the family is dead`);
}
assert(slow <= ROUNDS / 50, `${slow} rounds had no winner: the machine is too slow for this`);
console.log(`${ROUNDS} codes, ${AT_ONCE} requests each over two processes: one winner each, losers ${JSON.stringify(sums.codes)}; ${ended} grants ended by a replay`);
console.log(`${ROUNDS} refresh tokens, ${AT_ONCE} requests each: one successor each (given ${most} times at most), others ${JSON.stringify(sums.refreshes)}; the replay after it ended every family`);
