// Finds the late viewers that show something other than the early ones: reads
// [{cols, rows, early, late}, …], with bytes in Base64, and prints a list of differences for each.
import { readFileSync } from 'node:fs';
import { compare } from './compare.js';
import { makeTerminal } from './viewer.js';

const shown = async (cols, rows, bytes) => {
  const terminal = makeTerminal(cols, rows);
  await new Promise((resolve) => { terminal.write(Buffer.from(bytes, 'base64'), resolve); });
  return terminal;
};

const all = [];
for (const { cols, rows, early, late } of JSON.parse(readFileSync(0, 'utf8'))) {
  const [a, b] = [await shown(cols, rows, early), await shown(cols, rows, late)];
  const { outside, inside, hidden } = compare(a, b, { dumped: true, whole: true });
  all.push([...outside, ...inside, ...hidden].map((d) => `${d.what} at ${d.row}, ${d.column}: expected ${d.expected}, got ${d.got}`));
  a.dispose();
  b.dispose();
}
console.log(JSON.stringify(all));
