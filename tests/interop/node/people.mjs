// The user: signs in and allows what is asked, by the cookies and forms that a browser would send.

import assert from 'node:assert/strict';

const { REDIRECT_URI, USERNAME, PASSWORD } = process.env;

/** Opens the URL that a library made; gives the address that the browser is sent back to. */
export async function allow(url) {
  const cookies = new Map();
  const send = async (target, body) => {
    const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    const answer = await fetch(target, { method: body ? 'POST' : 'GET', headers, body, redirect: 'manual' });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    return { status: answer.status, location: answer.headers.get('location'), html: await answer.text() };
  };
  let page = await send(url);
  for (let step = 0; step < 4; step += 1) {
    while (page.status === 303) {
      if (page.location.startsWith(REDIRECT_URI)) return new URL(page.location);
      page = await send(page.location);
    }
    assert.equal(page.status, 200, page.html);
    const fields = [...page.html.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].slice(0, 2).map(([, name, value]) => [name, value]);
    if (page.html.includes('id="sign-in"')) fields.push(['action', 'sign_in'], ['username', USERNAME], ['password', PASSWORD]);
    else fields.push(['action', 'approve'], ...[...page.html.matchAll(/name="allow" value="([^"]*)"/g)].map(([, value]) => ['allow', value]));
    page = await send(new URL(page.html.match(/action="([^"]*)"/)[1], url), new URLSearchParams(fields));
  }
  throw new Error('the pages go round in circles');
}
