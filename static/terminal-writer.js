// @ts-check
/** @import { Terminal } from '@xterm/xterm' */

// Rows scroll off a terminal's screen while it parses, at most one for each byte, and
// are read after each slice: the scrollback must hold as many.
export const MAX_SLICE = 4096;
// With more than this many bytes waiting to be parsed, the page is too slow for the stream.
const MAX_WAITING = 32 << 20;

/**
 * An entry of the queue: output with the time when it was written, or something to do
 * once all output before it is parsed.
 * @typedef {{bytes: Uint8Array, ms: number} | (() => void)} Item
 *
 * @typedef {object} Hooks called around each slice
 * @property {(slice: Uint8Array, ms: number) => void} begin before the terminal parses the slice
 * @property {() => void} end after that
 */

/** Writes output to a terminal in slices, and runs actions in their place among the output. */
export class TerminalWriter {
  #terminal;
  #hooks;
  #onOverload;
  /** @type {Item[]} */
  #queue = [];
  #waiting = 0;
  #partial = new Uint8Array(); // the first bytes of a character
  #running = false;
  #overloaded = false;

  /**
   * @param {Pick<Terminal, 'write'>} terminal
   * @param {Hooks} hooks
   * @param {(overloaded: boolean) => void} onOverload called with true when too much output
   *   waits, and with false once none does
   */
  constructor(terminal, hooks, onOverload) {
    this.#terminal = terminal;
    this.#hooks = hooks;
    this.#onOverload = onOverload;
  }

  /**
   * Queues output.
   * @param {Uint8Array} bytes
   * @param {number} ms when the bytes were written, since 1970
   */
  write(bytes, ms) {
    // xterm.js 6.0.0 loses some characters that are split over two writes (U+2014, 2 + 1 bytes).
    if (this.#partial.length) bytes = concat(this.#partial, bytes);
    const end = completeLength(bytes);
    this.#partial = bytes.slice(end);
    bytes = bytes.subarray(0, end);
    if (!bytes.length) return;
    this.#waiting += bytes.length;
    this.#queue.push({ bytes, ms });
    if (this.#waiting > MAX_WAITING && !this.#overloaded) {
      this.#overloaded = true;
      this.#onOverload(true);
    }
    this.#start();
  }

  /**
   * Queues an action, to run once the terminal has parsed all output before it.
   * @param {() => void} action
   */
  after(action) {
    this.#queue.push(action);
    this.#start();
  }

  /** How many bytes wait to be parsed. */
  get waiting() {
    return this.#waiting;
  }

  /** Drops the first bytes of an unfinished character: the next bytes don't continue it. */
  dropPartial() {
    this.#partial = new Uint8Array();
  }

  /** Empties the queue. */
  clear() {
    this.#queue = [];
    this.#waiting = 0;
    this.dropPartial();
    this.#endOverload();
  }

  #start() {
    if (this.#running) return;
    this.#running = true;
    this.#writeNext();
  }

  // Writing again from a write's callback lets xterm.js continue without a timer.
  #writeNext() {
    for (let item = this.#queue[0]; item; item = this.#queue[0]) {
      if (typeof item === 'function') {
        this.#queue.shift();
        item();
        continue;
      }
      const slice = item.bytes.subarray(0, sliceLength(item.bytes));
      this.#hooks.begin(slice, item.ms);
      if (slice.length === item.bytes.length) this.#queue.shift();
      else item.bytes = item.bytes.subarray(slice.length);
      this.#waiting -= slice.length;
      this.#terminal.write(slice, () => {
        this.#hooks.end();
        this.#writeNext();
      });
      return;
    }
    this.#running = false;
    this.#endOverload();
  }

  #endOverload() {
    if (!this.#overloaded) return;
    this.#overloaded = false;
    this.#onOverload(false);
  }
}

/**
 * How many bytes to parse at once. A slice ends before a sequence that would drop rows
 * nobody has read yet (a reset, erasing the scrollback). It ends after a newline where
 * a terminal and wc(1) would count lines differently (a vertical tab, a form feed, a
 * newline within a string), so that line numbers are right again from the next line on.
 * @param {Uint8Array} bytes
 */
function sliceLength(bytes) {
  const end = bytes.length > MAX_SLICE ? completeLength(bytes.subarray(0, MAX_SLICE)) : bytes.length;
  for (let i = 0; i < end; i++) {
    const c = bytes[i];
    if (c === ESC && dropsRows(bytes, i + 1)) {
      if (i > 0) return i;
      if (bytes[1] === RIS) return 2;
    }
    if (c === VERTICAL_TAB || c === FORM_FEED || c === ESC && STRINGS.has(bytes[i + 1] ?? OSC)) {
      const newline = bytes.indexOf(NEWLINE, i);
      return newline < 0 || newline >= end ? end : newline + 1;
    }
  }
  return end;
}

/**
 * How many of the bytes are whole characters, if the bytes are UTF-8.
 * @param {Uint8Array} bytes
 */
function completeLength(bytes) {
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
function concat(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

const NEWLINE = 0x0a;
const VERTICAL_TAB = 0x0b;
const FORM_FEED = 0x0c;
const ESC = 0x1b;
// What follows ESC in a reset, and where a control sequence or an OSC begins.
const RIS = 0x63;
const CSI = 0x5b;
const OSC = 0x5d;
// What follows ESC where a string begins: DCS, SOS, OSC, PM, APC, a title.
const STRINGS = new Set([...'PX]^_k'].map((c) => c.charCodeAt(0)));

/**
 * Reports whether the sequence drops rows: RIS or ED 3.
 * @param {Uint8Array} bytes
 * @param {number} at the place after an ESC
 */
function dropsRows(bytes, at) {
  const [a, b, c] = bytes.subarray(at, at + 3);
  return a === RIS || a === CSI && b === 0x33 && c === 0x4a;
}
