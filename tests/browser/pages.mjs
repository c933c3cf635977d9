// O-08, O-23, G-15, AZ-20 to AZ-24, AZ-26, AZ-29, AZ-30, CO-01, CO-02, CO-06, LO-07, LO-08: the pages as a person meets them, in Chromium.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { EVERYTHING, HOSTILE_NAME, PASSWORD, VERIFIER, application, fixtures, post, request } from './fixtures.mjs';
import { looks } from './looks.mjs';

const { ISSUER, CHROMIUM, SCREENSHOTS } = process.env;
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 375, height: 667 }, deviceScaleFactor: 2 };
const wanted = process.argv.slice(2);
const counts = { ok: 0, failed: 0 };

const { server, callback, referers } = await application();
const clients = await fixtures(callback);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });

/** One test in a browser of its own. Whatever its console or the pages' policies complain of is a failure; so is a page that looks bad. */
async function test(name, run, options = DESKTOP) {
  if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) return;
  const context = await browser.newContext(options);
  context.setDefaultTimeout(8_000);
  const complaints = [];
  context.on('console', (message) => {
    // Chromium says of every answer above 399 that it came, also where it shows it.
    const isStatus = /^Failed to load resource: the server responded with a status of (400|429) /.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !isStatus) complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(String(error.error())));
  // Nobody else is asked for anything (AZ-22).
  const ours = [`${ISSUER}/`, callback, 'data:'];
  context.on('request', (asked) => {
    if (!ours.some((start) => asked.url().startsWith(start))) complaints.push(`asked for ${asked.url()}`);
  });
  // A form with a password is never sent again to where a redirect points (AZ-23).
  context.on('response', (answer) => {
    const isRedirect = answer.status() >= 300 && answer.status() < 400;
    if (answer.request().method() === 'POST' && isRedirect && answer.status() !== 303) complaints.push(`a form was answered ${answer.status()}`);
  });
  try {
    const page = await context.newPage();
    await run(page, context, complaints);
    assert.deepEqual(complaints, []);
    // Nobody is told the address of a page (AZ-22).
    assert.deepEqual(referers.splice(0), []);
    counts.ok += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    counts.failed += 1;
    process.exitCode = 1;
    console.log(`FAILED  ${name}: ${error}`, complaints);
    console.error(error);
    const [page] = context.pages();
    await page?.screenshot({ path: `${SCREENSHOTS}/failed-${counts.failed}.png` }).catch(() => {});
  }
  await context.close();
}

const shown = (page, id) => page.locator(`#${id}`).waitFor();
const text = (page, id) => page.locator(`#${id}`).innerText();
const shot = (page, name) => page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });

async function signIn(page, username = 'alice', password = PASSWORD) {
  await page.fill('#username', username);
  await page.fill('#password', password);
  await Promise.all([page.waitForEvent('domcontentloaded'), page.click('#submit')]);
}

/** What the browser brought back to the application. */
async function back(page) {
  await shown(page, 'back');
  const url = new URL(page.url());
  assert.equal(url.origin + url.pathname, callback);
  const answer = Object.fromEntries(url.searchParams);
  assert.equal(answer.iss, ISSUER);
  assert.equal(answer.state, 'xyz');
  return answer;
}

/** The scope of the tokens that a code is good for. */
async function redeemed(code, client = 'app') {
  const form = { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: VERIFIER };
  if (clients[client] === undefined) form.client_id = client;
  const { status, body } = await post('/oauth2/token', clients[client], form);
  assert.equal(status, 200, JSON.stringify(body));
  return body.scope;
}

/** The consent page of a public client, who is asked each time. */
async function consent(page, changes = {}) {
  await page.goto(request(callback, { client_id: 'phone', ...changes }));
  if (await page.locator('#sign-in').count()) await signIn(page);
  await shown(page, 'consent');
}

await test('a user signs in, allows it and comes back with a code; a second time nothing is asked', async (page, context) => {
  await page.goto(request(callback));
  assert.equal(await text(page, 'heading'), 'Sign in');
  assert.equal(await text(page, 'client-name'), "The shop's app");
  assert.equal(await page.title(), 'Sign in · Gatewright');
  assert.equal(await page.locator(':focus').getAttribute('id'), 'username');
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).display), 'flex', 'the style is let through');
  await signIn(page);
  await shown(page, 'consent');
  assert.equal(page.url(), request(callback), 'the page after the password is one that was got');
  assert.match(await text(page, 'scopes'), /See your orders[\s\S]*https:\/\/orders.example\/read/);
  assert.equal(await text(page, 'redirect-host'), callback.slice(0, -3));
  // LO-08; on loopback there is no TLS, so neither `Secure` nor `__Host-`.
  for (const cookie of await context.cookies()) {
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path, cookie.domain], [true, 'Lax', '/', '127.0.0.1'], cookie.name);
  }
  await page.click('#approve');
  assert.equal(await redeemed((await back(page)).code), 'read write');
  await page.goto(request(callback));
  assert.equal(await redeemed((await back(page)).code), 'read write');
});

await test('what is unticked is not granted, and with nothing ticked nothing is', async (page) => {
  await consent(page);
  await page.uncheck('#scopes input[value=write]');
  await page.click('#approve');
  assert.equal(await redeemed((await back(page)).code, 'phone'), 'read');
  await consent(page);
  for (const value of ['read', 'write']) await page.uncheck(`#scopes input[value=${value}]`);
  await page.click('#approve');
  assert.equal((await back(page)).error, 'access_denied');
});

await test('a user denies, and the application is told', async (page) => {
  await consent(page);
  await page.click('#deny');
  const { error, code } = await back(page);
  assert.deepEqual([error, code], ['access_denied', undefined]);
});

await test('a wrong password is told, and the username stays', async (page) => {
  await page.goto(request(callback, { client_id: 'phone' }));
  await signIn(page, 'alice', 'wrong');
  await shown(page, 'alert');
  assert.equal(await text(page, 'alert'), 'Username or password is wrong.');
  assert.deepEqual([await page.inputValue('#username'), await page.inputValue('#password')], ['alice', '']);
  assert.equal(await page.locator(':focus').getAttribute('id'), 'password');
  assert.equal(await page.locator('#alert').getAttribute('role'), 'alert');
  await looks(page);
  await shot(page, 'wrong-password');
  await signIn(page);
  await shown(page, 'consent');
});

await test('who guesses is made to wait, and reads for how long', async (page) => {
  await page.goto(request(callback));
  // The waits grow, so however slow the machine is, one of these comes too early.
  const told = [];
  while (!told.at(-1)?.startsWith('Too many')) {
    await signIn(page, 'carol', 'wrong');
    told.push(await text(page, 'alert'));
    assert(told.length < 18, told.join(' '));
  }
  assert(told.length > 5, 'five failures are free');
  assert.match(told.at(-1), /^Too many attempts. Try again in \d+ seconds?.$/);
  await looks(page);
  await shot(page, 'too-many');
});

await test('going back after the sign-in and after the answer asks for nothing twice', async (page) => {
  await page.goto(callback);
  await page.goto(request(callback, { client_id: 'phone' }));
  await signIn(page);
  await shown(page, 'consent');
  await page.reload();
  await shown(page, 'consent');
  await page.click('#approve');
  const { code } = await back(page);
  await page.goBack();
  await shown(page, 'consent');
  await page.click('#approve');
  const again = (await back(page)).code;
  assert.notEqual(again, code);
  assert.equal(await redeemed(again, 'phone'), 'read write');
  await page.goBack();
  await page.goBack();
  assert.equal(await page.locator('input[type=password]').count(), 0);
});

await test('two tabs each get their own code', async (page, context) => {
  const other = await context.newPage();
  await consent(page);
  await other.goto(request(callback, { client_id: 'phone', scope: 'https://orders.example/read' }));
  await shown(other, 'consent');
  await page.click('#approve');
  await other.click('#approve');
  assert.equal(await redeemed((await back(page)).code, 'phone'), 'read write');
  assert.equal(await redeemed((await back(other)).code, 'phone'), 'read');
});

await test('two tabs that both show the sign-in page can both be used', async (page, context) => {
  const other = await context.newPage();
  for (const tab of [page, other]) await tab.goto(request(callback, { client_id: 'phone' }));
  await signIn(page);
  await shown(page, 'consent');
  await signIn(other);
  await shown(other, 'consent');
  await other.click('#approve');
  assert.equal(await redeemed((await back(other)).code, 'phone'), 'read write');
  // LO-07: the first tab's session ended with the second sign-in; its page is of no use, and going to it again is.
  await page.click('#approve');
  await shown(page, 'fault');
  await page.goto(request(callback, { client_id: 'phone' }));
  await page.click('#approve');
  await back(page);
});

await test('a page of another browser or of another time is refused, and says what to do', async (page, context) => {
  await page.goto(request(callback));
  await context.clearCookies();
  await signIn(page);
  await shown(page, 'fault');
  assert.equal(await text(page, 'heading'), 'This page has expired');
  assert.match(await text(page, 'advice'), /start again/);
  await looks(page);
  await shot(page, 'expired');
  await consent(page);
  await context.clearCookies();
  await page.click('#approve');
  await shown(page, 'fault');
  assert.equal(new URL(page.url()).origin, ISSUER);
});

await test('a request that cannot be trusted goes nowhere', async (page) => {
  for (const changes of [{ client_id: 'nobody' }, { redirect_uri: 'https://evil.example/cb' }]) {
    await page.goto(request(callback, changes));
    await shown(page, 'fault');
    assert.equal(new URL(page.url()).origin, ISSUER);
    await looks(page);
  }
  await shot(page, 'fault');
});

await test('a name that is markup is text, and is read from the left', async (page) => {
  await page.goto(request(callback, { client_id: 'hostile' }));
  const name = HOSTILE_NAME.replace('\u202e', '');
  assert.equal(await text(page, 'client-name'), name);
  await signIn(page);
  await shown(page, 'consent');
  assert.equal(await text(page, 'client-name'), name);
});

await test('no page can be put into a frame', async (page, context, complaints) => {
  await page.goto(callback);
  for (const changes of [{}, { client_id: 'nobody' }]) {
    const refusal = page.waitForEvent('console');
    await page.setContent(`<iframe src="${request(callback, changes).replaceAll('&', '&amp;')}"></iframe>`);
    assert.match((await refusal).text(), /frame-ancestors 'none'/);
    assert.equal(await page.frameLocator('iframe').locator('#main').count(), 0);
    complaints.length = 0;
  }
});

await test('a double click on Allow leads to the application', async (page) => {
  await consent(page);
  await page.dblclick('#approve');
  assert.equal(await redeemed((await back(page)).code, 'phone'), 'read write');
});

await test('somebody else signs in after "Not you?"', async (page, context) => {
  await consent(page);
  assert.equal(await text(page, 'username'), 'alice');
  const session = async () => (await context.cookies()).find(({ name }) => name === 'gatewright_session')?.value;
  const before = await session();
  await page.click('#sign-out button');
  await shown(page, 'sign-in');
  assert.deepEqual([typeof before, await session(), await page.inputValue('#username')], ['string', undefined, '']);
  await signIn(page, 'bob');
  await shown(page, 'consent');
  assert.equal(await text(page, 'username'), 'bob');
});

const keyboard = async (page) => {
  const tab = async (id) => {
    await page.keyboard.press('Tab');
    const focused = page.locator(':focus');
    assert.equal((await focused.getAttribute('id')) || (await focused.getAttribute('value')), id);
    await looks(page);
  };
  await page.goto(request(callback, { client_id: 'phone' }));
  await shown(page, 'username:focus');
  await page.keyboard.type('alice');
  await tab('password');
  await page.keyboard.type(PASSWORD);
  await shot(page, `focus-sign-in-${(await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)) ? 'dark' : 'light'}`);
  await page.keyboard.press('Enter');
  await shown(page, 'consent');
  await tab('read');
  await tab('write');
  await page.keyboard.press('Space');
  await tab('approve');
  await shot(page, `focus-consent-${(await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)) ? 'dark' : 'light'}`);
  await tab('deny');
  await tab('sign_out');
  for (const key of ['Shift+Tab', 'Shift+Tab', 'Enter']) await page.keyboard.press(key);
  assert.equal(await redeemed((await back(page)).code, 'phone'), 'read');
};
for (const colorScheme of ['light', 'dark']) await test(`the keyboard alone does it all, ${colorScheme}`, keyboard, { ...DESKTOP, colorScheme });

await test('who is signed in signs out on a page of its own', async (page, context) => {
  await consent(page);
  await page.goto(`${ISSUER}/oauth2/authorize/sign-out`);
  assert.equal(await text(page, 'username'), 'alice');
  await shot(page, 'sign-out');
  await page.setViewportSize({ width: 375, height: 667 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(page, 'sign-out-phone-dark');
  await page.click('#submit');
  assert.equal(await text(page, 'heading'), 'You are signed out');
  await shot(page, 'signed-out-phone-dark');
  assert.equal((await context.cookies()).find(({ name }) => name === 'gatewright_session'), undefined);
});

await test('it all works without JavaScript', async (page) => {
  await page.goto(request(callback, { client_id: 'phone' }));
  await signIn(page, 'alice', 'wrong');
  await shown(page, 'alert');
  await signIn(page);
  await shown(page, 'consent');
  await page.uncheck('#scopes input[value=read]');
  await page.click('#approve');
  assert.equal(await redeemed((await back(page)).code, 'phone'), 'write');
  await consent(page);
  await page.click('#deny');
  assert.equal((await back(page)).error, 'access_denied');
}, { ...DESKTOP, javaScriptEnabled: false });

/** What a page gets for a form that it sends to the server itself. */
const fetched = (page, path, form, headers = {}) =>
  page.evaluate(
    async ([url, body, headers]) => {
      try {
        const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(body), headers });
        const text = await answer.text();
        return { status: answer.status, type: answer.type, body: text && JSON.parse(text) };
      } catch (error) {
        return { error: error.name };
      }
    },
    [`${ISSUER}${path}`, form, headers],
  );

await test('a page of a listed origin fetches its tokens, and nobody else can', async (page, context, complaints) => {
  await consent(page);
  await page.click('#approve');
  const { code } = await back(page);
  const form = { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: VERIFIER, client_id: 'phone' };
  const first = await fetched(page, '/oauth2/token', form);
  assert.deepEqual([first.status, first.type, first.body.scope], [200, 'cors', 'read write']);
  const refresh = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token, client_id: 'phone' };
  // A form is sent at once; before another media type the browser asks, and the answer says what is wrong.
  assert.equal((await fetched(page, '/oauth2/token', refresh, { 'content-type': 'application/json' })).body.error, 'invalid_request');
  const second = await fetched(page, '/oauth2/token', refresh);
  assert.equal(second.status, 200);
  assert.equal((await fetched(page, '/oauth2/revoke', { token: second.body.refresh_token, client_id: 'phone' })).status, 200);
  const dead = await fetched(page, '/oauth2/token', { ...refresh, refresh_token: second.body.refresh_token });
  assert.deepEqual([dead.status, dead.body.error], [400, 'invalid_grant']);
  const documents = await page.evaluate(async (url) => (await fetch(url)).json(), `${ISSUER}/.well-known/oauth-authorization-server`);
  assert.equal(documents.issuer, ISSUER);
  assert.deepEqual(complaints, []);
  // CO-02: another client does not list the origin; a header that nobody needs is not let through; introspection is for servers.
  assert.deepEqual(await fetched(page, '/oauth2/token', { ...form, client_id: 'long' }), { error: 'TypeError' });
  assert.deepEqual(await fetched(page, '/oauth2/token', refresh, { authorization: 'Basic cGhvbmU6' }), { error: 'TypeError' });
  assert.deepEqual(await fetched(page, '/oauth2/introspect', { token: 'x', client_id: 'phone' }), { error: 'TypeError' });
  await page.goto(`${callback.replace('127.0.0.1', 'localhost')}`);
  assert.deepEqual(await fetched(page, '/oauth2/token', refresh), { error: 'TypeError' });
  // The browser says so each time: nothing else was complained of.
  const others = complaints.splice(0).filter((complaint) => !/CORS policy|net::ERR_FAILED|^asked for http:\/\/localhost/.test(complaint));
  assert.deepEqual(others, []);
});

for (const [size, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP, narrow: { viewport: { width: 320, height: 568 } } })) {
  for (const colorScheme of ['light', 'dark']) {
    for (const client_id of ['phone', 'long']) {
      await test(`the pages can be read: ${client_id === 'long' ? 'long' : 'short'} names, ${size}, ${colorScheme}`, async (page) => {
        const name = `${client_id === 'long' ? 'long-' : ''}${size}-${colorScheme}`;
        await page.goto(request(callback, { client_id, ...(client_id === 'long' && { scope: EVERYTHING }) }));
        await looks(page);
        await shot(page, `sign-in-${name}`);
        await signIn(page);
        await shown(page, 'consent');
        await looks(page);
        await shot(page, `consent-${name}`);
        await page.hover('#approve');
        await looks(page);
        await page.click('#approve');
        await back(page);
      }, { ...viewport, colorScheme });
    }
  }
}

await browser.close();
server.close();
console.log(`${counts.ok} passed, ${counts.failed} failed`);
if (counts.ok + counts.failed === 0) process.exitCode = 1;
