import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { FUNCTIONS } from '../lib/functions';
import { GatewrightStack } from '../lib';

/** Fills a directory as `make build` does, except that nothing in it is a program. */
export function placeholders(code = passing()): string {
  for (const architecture of ['arm64', 'x86_64']) {
    for (const [name] of FUNCTIONS) {
      mkdirSync(join(code, architecture, name), { recursive: true });
      writeFileSync(join(code, architecture, name, 'bootstrap'), `${name} for ${architecture}`);
    }
  }
  return code;
}

/** A directory that goes with the process. */
function passing(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gatewright-'));
  process.on('exit', () => rmSync(directory, { recursive: true }));
  return directory;
}

/** The stack as bin/app.ts makes it. */
export function synth(code: string, context: Record<string, unknown> = {}, outdir?: string): Template {
  const app = new App({ context, outdir });
  return Template.fromStack(new GatewrightStack(app, 'gatewright', { code }));
}
