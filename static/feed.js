// @ts-check
/** @import { Terminal } from '@xterm/xterm' */

// Rows scroll out of a terminal's view while it parses, at most one a byte, and are
// taken over after each slice: so many must fit its scrollback.
export const SLICE = 4096;
// Beyond this many bytes waiting to be parsed the page is too slow for the stream.
const CROWDED = 32 << 20;

/**
 * What stands in line for the terminal: output that came at a time, or something
 * to do between outputs.
 * @typedef {{bytes: Uint8Array, ms: number} | (() => void)} Item
 */

/**
 * Gives a terminal its output in slices, and does other things in their place
 * among it.
 */
export class Feed {
  #terminal;
  /** @type {Item[]} */
  #queue = [];
  #waiting = 0;
  #half = new Uint8Array(); // the beginning of a character
  #running = false;
  #crowded = false;

  /**
   * @param {Terminal} terminal
   * @param {{begin(slice: Uint8Array, ms: number): void, end(): void}} parser called around each slice's parsing
   * @param {(crowded: boolean) => void} onCrowded too much waits; then, nothing does
   */
  constructor(terminal, parser, onCrowded) {
    this.#terminal = terminal;
    this.parser = parser;
    this.onCrowded = onCrowded;
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} ms when they came, since 1970
   */
  write(bytes, ms) {
    // xterm.js 6.0.0 loses some characters that come in two writes (U+2014, 2 + 1 bytes).
    if (this.#half.length) bytes = join(this.#half, bytes);
    const end = whole(bytes);
    this.#half = bytes.slice(end);
    bytes = bytes.subarray(0, end);
    if (!bytes.length) return;
    this.#waiting += bytes.length;
    this.#queue.push({ bytes, ms });
    if (this.#waiting > CROWDED && !this.#crowded) {
      this.#crowded = true;
      this.onCrowded(true);
    }
    this.#start();
  }

  /** @param {() => void} action done when all before it was parsed */
  after(action) {
    this.#queue.push(action);
    this.#start();
  }

  /** How many bytes wait to be parsed. */
  get waiting() {
    return this.#waiting;
  }

  /** Drops the beginning of a character: what follows is not its end. */
  cut() {
    this.#half = new Uint8Array();
  }

  /** Drops what waits. */
  clear() {
    this.#queue = [];
    this.#waiting = 0;
    this.#half = new Uint8Array();
    this.#uncrowd();
  }

  #start() {
    if (this.#running) return;
    this.#running = true;
    this.#next();
  }

  // Writing again from a write's callback lets xterm.js go on without a timer.
  #next() {
    for (let item = this.#queue[0]; item; item = this.#queue[0]) {
      if (typeof item === 'function') {
        this.#queue.shift();
        item();
        continue;
      }
      const slice = item.bytes.subarray(0, cut(item.bytes));
      this.parser.begin(slice, item.ms);
      if (slice.length === item.bytes.length) this.#queue.shift();
      else item.bytes = item.bytes.subarray(slice.length);
      this.#waiting -= slice.length;
      this.#terminal.write(slice, () => {
        this.parser.end();
        this.#next();
      });
      return;
    }
    this.#running = false;
    this.#uncrowd();
  }

  #uncrowd() {
    if (!this.#crowded) return;
    this.#crowded = false;
    this.onCrowded(false);
  }
}

/**
 * How much of bytes to parse at once: up to what would drop rows that are not taken
 * over yet (a reset, the scrollback's erasure); to the end of a line where a slice
 * holds what a terminal and wc(1) would count differently (a vertical tab, a form
 * feed, a newline within a string), so that lines are numbered right from the next
 * one on.
 * @param {Uint8Array} bytes
 */
function cut(bytes) {
  const end = bytes.length > SLICE ? whole(bytes.subarray(0, SLICE)) : bytes.length;
  for (let i = 0; i < end; i++) {
    const c = bytes[i];
    if (c === 0x1b && drops(bytes, i + 1)) {
      if (i > 0) return i;
      if (bytes[1] === RIS) return 2;
    }
    if (c === 0x0b || c === 0x0c || c === 0x1b && STRINGS.has(bytes[i + 1] ?? 0x5d)) {
      const newline = bytes.indexOf(0x0a, i);
      return newline < 0 || newline >= end ? end : newline + 1;
    }
  }
  return end;
}

/**
 * How many of bytes are whole characters of UTF-8, if they are any.
 * @param {Uint8Array} bytes
 */
function whole(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const c = bytes[bytes.length - back];
    if ((c & 0xc0) === 0x80) continue;
    const length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function join(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

const RIS = 0x63;

/**
 * @param {Uint8Array} bytes
 * @param {number} at behind an ESC
 */
function drops(bytes, at) {
  const [a, b, c] = bytes.subarray(at, at + 3);
  return a === RIS || a === 0x5b && b === 0x33 && c === 0x4a; // or ED 3
}

// What begins a string behind ESC: DCS, SOS, OSC, PM, APC, a title.
const STRINGS = new Set([...'PX]^_k'].map((c) => c.charCodeAt(0)));
