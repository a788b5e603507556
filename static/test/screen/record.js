// Records what real programs write, through wsrun.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programs } from './programs.js';
import { Viewer } from './viewer.js';
import { start } from './wsrun.js';

// A program that has printed nothing for QUIET_MS is waiting for a key. A program that never stops
// printing gets the key after BUSY_MS.
const QUIET_MS = 150;
const BUSY_MS = 1000;
const END_MS = 10_000;

/**
 * @typedef {object} Recording
 * @property {string} name
 * @property {number} cols at the beginning
 * @property {number} rows
 * @property {Buffer} bytes
 * @property {number[]} chunks offsets where output paused
 * @property {[number, number, number][]} sizes offset, columns, rows
 */

const sources = ['programs.js', 'record.js', 'demo.py', 'progress.py'].map((f) => readFileSync(new URL(f, import.meta.url)));
const CACHE = join(tmpdir(), `wsrun-recordings-${createHash('sha256').update(Buffer.concat(sources)).digest('hex').slice(0, 12)}`);

export const names = (() => {
  const dir = mkdtempSync(join(tmpdir(), 'wsrun-names-'));
  try {
    return programs(dir, 80, 24).map((p) => p.name);
  } finally {
    rmSync(dir, { recursive: true });
  }
})();

/** Settles when no program runs that must run alone. */
let alone = Promise.resolve();

/**
 * Returns what a program prints, and records it unless that was done before.
 * @param {string} name
 * @param {number} cols
 * @param {number} rows
 * @returns {Promise<Recording>}
 */
export async function recording(name, cols, rows) {
  const path = join(CACHE, `${name.replaceAll(/\W+/g, '-')}-${cols}x${rows}.json`);
  if (!existsSync(path)) {
    const dir = mkdtempSync(join(tmpdir(), 'wsrun-record-'));
    try {
      const program = programs(dir, cols, rows).find((p) => p.name === name);
      const before = alone;
      let done = () => {};
      if (program.alone) alone = new Promise((resolve) => { done = resolve; });
      if (program.alone) await before;
      const recorded = await record(program, cols, rows, dir).finally(() => done());
      mkdirSync(CACHE, { recursive: true });
      writeFileSync(`${path}.part`, JSON.stringify({ ...recorded, bytes: recorded.bytes.toString('base64') }));
      renameSync(`${path}.part`, path);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  const recorded = JSON.parse(readFileSync(path, 'utf8'));
  return { ...recorded, bytes: Buffer.from(recorded.bytes, 'base64') };
}

/** @returns {Promise<Recording>} */
async function record(program, cols, rows, dir) {
  const go = join(dir, 'go');
  execFileSync('mkfifo', [go]);
  const wsrun = await start(cols, rows, ['sh', '-c', 'read -r _ < go; rm go; exec "$@"', 'sh', ...program.argv], { cwd: dir, env: { HOME: dir } });
  const parts = [];
  const chunks = [];
  const sizes = [];
  let heard = () => {};
  const viewer = new Viewer(wsrun.port, {
    output(bytes, offset) {
      parts.push(bytes);
      chunks.push(offset + bytes.length);
      heard();
    },
    resize(...at) {
      const [c, r, offset] = at;
      sizes.push([offset, c, r]);
      heard();
    },
  });
  viewer.terminal.onData((answer) => wsrun.type(answer)); // terminals answer queries
  const quiet = () => new Promise((resolve) => {
    const busy = setTimeout(end, BUSY_MS);
    let still = setTimeout(end, QUIET_MS);
    heard = () => { clearTimeout(still); still = setTimeout(end, QUIET_MS); };
    function end() {
      clearTimeout(busy);
      clearTimeout(still);
      heard = () => {};
      resolve();
    }
  });
  await viewer.until(() => viewer.hello);
  await writeFile(go, '\n'); // not earlier: a late viewer would get a screen, not everything that was written
  await viewer.until(() => viewer.offset > 0);
  for (const step of program.steps ?? []) {
    await quiet();
    if (typeof step === 'string') wsrun.type(step);
    else wsrun.resize(...step);
  }
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${program.name} does not end`)), END_MS + (program.times ?? 0) * BUSY_MS); });
  try {
    await Promise.race([viewer.until(() => viewer.ended), late]);
  } catch (e) {
    console.error(Array.from({ length: rows }, (_, y) => viewer.terminal.buffer.active.getLine(viewer.terminal.buffer.active.baseY + y).translateToString(true)).join('\n'));
    throw e;
  } finally {
    clearTimeout(timer);
    viewer.close();
    await wsrun.stop();
  }
  return { name: program.name, cols, rows, bytes: Buffer.concat(parts), chunks, sizes };
}
