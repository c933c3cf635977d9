// sets.ts PARAMETERS_JSON DIRECTORY: synthesizes the stack once for each set of parameters, for infra/validate/compare.py.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { placeholders, synth } from './synth';

const [parameters, directory] = process.argv.slice(2);
if (!parameters || !directory) throw new Error('sets.ts takes PARAMETERS_JSON and DIRECTORY');
const sets = JSON.parse(readFileSync(parameters, 'utf8')) as Record<string, Record<string, string>>;
const code = placeholders(join(directory, 'code'));
for (const [name, set] of Object.entries(sets)) {
  const context = Object.entries(set).map(([key, value]) => [key[0]?.toLowerCase() + key.slice(1), value]);
  synth(code, Object.fromEntries(context), join(directory, name));
}
