// M-21: docs/gatewright.http passes on a fresh server, with the environment file that it tells its reader to write.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from './report.mjs';

const { URL: url, URL_SECRET, GATEWRIGHT_ADMIN_CLIENT_ID } = process.env;
const here = fileURLToPath(new URL('.', import.meta.url));

const environment = { local: { url, admin_id: GATEWRIGHT_ADMIN_CLIENT_ID, admin_secret: URL_SECRET } };
writeFileSync(`${here}http-client.private.env.json`, JSON.stringify(environment));

async function send() {
  const words = ['send', 'gatewright.http', '--all', '--env', 'local', '--bail', '--json'];
  // It answers with an exit code above 0 where a request fails, and tells which on its standard output all the same.
  const { stdout } = await promisify(execFile)(`${here}node_modules/.bin/httpyac`, words, { cwd: here }).catch((failed) => failed);
  return JSON.parse(stdout);
}

// The second time shows that the file leaves nothing behind.
for (const time of ['once', 'and again']) {
  const { requests, summary } = await send();
  // What comes after the first failure is skipped, and has no title.
  for (const { title, response, testResults } of requests.filter((request) => request.title)) {
    await test(`docs/gatewright.http, ${time}: ${title}`, () => {
      const bad = testResults.filter(({ status }) => status !== 'SUCCESS').map(({ message }) => message);
      assert(testResults.length > 0 && bad.length === 0, `${response?.statusCode} ${response?.body}: ${bad.join('; ')}`);
      assert.equal(title.split(': ').at(-1), String(response.statusCode), 'the title tells the status');
    });
  }
  await test(`docs/gatewright.http, ${time}: every request was sent`, () => {
    assert.deepEqual([summary.successRequests, summary.skippedRequests], [summary.totalRequests, 0]);
    assert(summary.totalRequests > 20, `only ${summary.totalRequests}`);
  });
  if (process.exitCode) break;
}
