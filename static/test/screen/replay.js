// Replays bytes through wsrun to an early viewer and to late viewers.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare } from './compare.js';
import { makeTerminal, Viewer } from './viewer.js';
import { start } from './wsrun.js';

/**
 * @typedef {object} Found
 * @property {number} offset where the late viewer joined
 * @property {number} at where it was compared
 * @property {boolean} dumped
 * @property {number} ms that the join took
 * @property {import('./compare.js').Comparison} comparison
 */

/**
 * Replays a recording and compares, at each cut, a viewer that joins there with one that was there
 * from the start. The last cut is the end, when the program has ended.
 * @param {import('./record.js').Recording} recording
 * @param {string[]} args of wsrun
 * @param {number[]} cuts offsets, in order
 * @param {number} followers how many of the late viewers stay to the end
 * @returns {AsyncGenerator<Found>}
 */
export async function* replay({ bytes, cols, rows, sizes }, args, cuts, followers) {
  const dir = mkdtempSync(join(tmpdir(), 'wsrun-replay-'));
  const fifo = join(dir, 'bytes');
  execFileSync('mkfifo', [fifo]);
  const wsrun = await start(cols, rows, [...args, 'sh', '-c', 'stty raw -echo && exec cat "$0"', fifo]);
  let pipe = openSync(fifo, 'r+');
  const early = new Viewer(wsrun.port);
  /** @type {{late: Viewer, offset: number}[]} */
  const staying = [];
  let offset = 0;
  const whole = args.length === 0;
  const last = (x) => sizes.filter(([at]) => at <= x).at(-1) ?? [0, cols, rows];
  const size = (x) => `${last(x)[1]}x${last(x)[2]}`;
  const to = async (end) => {
    while (offset < end) offset += writeSync(pipe, bytes, offset, end - offset);
    await early.until(() => early.offset >= end);
  };
  const found = (late, from, ms) => ({
    offset: from, at: offset, dumped: late.dumped, ms, comparison: compare(early.terminal, late.terminal, { dumped: late.dumped, whole }),
  });
  const join_ = async () => {
    const began = performance.now();
    const late = new Viewer(wsrun.port);
    await late.at(offset, early.size);
    return { late, ms: performance.now() - began };
  };
  try {
    await early.until(() => early.offset === 0);
    let nextSize = sizes.findIndex(([at]) => at > 0);
    for (const [i, cut] of cuts.entries()) {
      for (; sizes[nextSize]?.[0] <= cut; nextSize++) {
        const [at, c, r] = sizes[nextSize];
        await to(at);
        wsrun.resize(c, r);
        await early.at(at, `${c}x${r}`);
        for (const { late } of staying) await late.at(at, `${c}x${r}`);
      }
      await to(cut);
      await early.at(cut, early.size);
      const { late, ms } = await join_();
      yield found(late, offset, ms);
      if (Math.floor((i + 1) * followers / cuts.length) > Math.floor(i * followers / cuts.length)) staying.push({ late, offset });
      else late.close();
      if (i % 10 === 9) yield* stayed();
    }
    await to(bytes.length);
    closeSync(pipe);
    pipe = -1;
    await early.until(() => early.ended);
    yield* stayed();
    const { late, ms } = await join_();
    yield found(late, offset, ms);
    late.close();
  } finally {
    for (const { late } of staying) late.close();
    early.close();
    if (pipe >= 0) closeSync(pipe);
    await wsrun.stop();
    rmSync(dir, { recursive: true });
  }

  async function* stayed() {
    for (const s of staying) {
      await s.late.at(offset, early.size);
      yield found(s.late, s.offset, 0);
    }
  }
}

/**
 * Compares, at each cut, the screen that a slice of the finished stream begins with to that of a terminal that was shown
 * all output before, if a program fills it there. wsrun's memory keeps only the end of the stream.
 * @param {import('./record.js').Recording} recording
 * @param {number[]} cuts offsets, in order
 * @returns {AsyncGenerator<Found>}
 */
export async function* moments({ bytes, cols, rows, sizes }, cuts) {
  const dir = mkdtempSync(join(tmpdir(), 'wsrun-replay-'));
  const fifo = join(dir, 'bytes');
  execFileSync('mkfifo', [fifo]);
  const wsrun = await start(cols, rows, ['-n', '50', '--buffer', '16KiB', 'sh', '-c', 'stty raw -echo && exec cat "$0"', fifo]);
  const pipe = openSync(fifo, 'r+');
  const viewer = new Viewer(wsrun.port);
  const stops = [...sizes.filter(([at]) => at > 0), [bytes.length, 0, 0]];
  try {
    await viewer.until(() => viewer.offset === 0);
    let offset = 0;
    for (const [at, c, r] of stops) {
      while (offset < at) offset += writeSync(pipe, bytes, offset, Math.min(at - offset, 4096));
      await viewer.until(() => viewer.offset >= at);
      if (c) {
        wsrun.resize(c, r);
        await viewer.at(at, `${c}x${r}`);
      }
    }
    const shown = makeTerminal(cols, rows);
    const write = (terminal, text) => new Promise((done) => { terminal.write(text, done); });
    let at = 0;
    for (const cut of cuts) {
      for (; stops[0][1] && stops[0][0] <= cut; stops.shift()) {
        await write(shown, bytes.subarray(at, stops[0][0]));
        at = stops[0][0];
        shown.resize(stops[0][1], stops[0][2]);
      }
      await write(shown, bytes.subarray(at, cut));
      at = cut;
      if (shown.buffer.active.type !== 'alternate') continue;
      const began = performance.now();
      const response = await fetch(`http://127.0.0.1:${wsrun.port}/?format=slice&epoch=${viewer.hello.epoch}&offset=${cut}&n=1`);
      const slice = JSON.parse((await response.text()).split('\n', 1)[0]);
      const late = makeTerminal(slice.cols, slice.rows);
      await write(late, slice.prelude);
      yield { offset: slice.offset, at: cut, dumped: true, ms: performance.now() - began, comparison: compare(shown, late, { dumped: true, whole: false, moment: true }) };
    }
  } finally {
    viewer.close();
    closeSync(pipe);
    await wsrun.stop();
    rmSync(dir, { recursive: true });
  }
}

/** Pseudo-random numbers, the same each time. */
export function random(seed) {
  return (n) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return Math.floor(seed / 65536) % n;
  };
}

// Sequences that must not confuse a joining viewer: the other screen, clears and resets.
const SWITCHES = /\x1b\[\?(?:1049|1047|47)[hl]|\x1b\[[0-3]?J|\x1bc|\x1b\[!p|\x1b\[H/g;

/**
 * Chooses where late viewers join: after and within switches, clears and resizes, where the program
 * paused, and anywhere.
 * @param {import('./record.js').Recording} recording
 * @param {number} most
 * @param {number} seed
 */
export function cuts({ bytes, chunks, sizes }, most, seed) {
  const r = random(seed);
  const special = new Set(sizes.flatMap(([at]) => [at, at + 1]));
  for (const m of bytes.toString('latin1').matchAll(SWITCHES)) for (let i = 1; i <= m[0].length; i++) special.add(m.index + i);
  const chosen = new Set();
  const take = (from, n) => {
    const left = [...from];
    for (; n > 0 && left.length; n--) {
      const [x] = left.splice(r(left.length), 1);
      if (x > 0 && x <= bytes.length) chosen.add(x);
    }
  };
  take(special, most / 2);
  take(chunks, most / 5);
  for (let tries = 0; chosen.size < most && tries < 10 * most; tries++) chosen.add(1 + (r(1 << 15) * (1 << 15) + r(1 << 15)) % bytes.length);
  return [...chosen].sort((a, b) => a - b);
}
