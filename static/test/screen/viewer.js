// A viewer like the page, but without a browser.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { WebSocket } from 'ws';
import { TerminalWriter } from '../../terminal-writer.js';
import { setWidths } from '../../widths.js';

// The addon reads its tables from the start of their ArrayBuffer. Node shares that buffer with other
// data unless the pool is off.
const { poolSize } = Buffer;
Buffer.poolSize = 0;
const { UnicodeGraphemesAddon } = await import('../../xterm/addon-unicode-graphemes.mjs');
Buffer.poolSize = poolSize;
const { Terminal } = createRequire(import.meta.url)('@xterm/headless');

const SCROLLBACK = 20_000; // more lines than wsrun keeps
// As in the page, whose terminal these tests can't import, because it needs a browser.
const output = readFileSync(new URL('../../output.js', import.meta.url), 'utf8');
const setting = (pattern) => output.match(pattern)[1];
const REPEATED = setting(/REPEATED = '(\w+)'/);
const MOST_REPEATED = Number(setting(/MOST_REPEATED = (\d+)/));

/** A terminal that parses like the page's. */
export function makeTerminal(cols, rows) {
  const terminal = new Terminal({ cols, rows, allowProposedApi: true, scrollback: SCROLLBACK, logLevel: 'off' });
  for (const final of REPEATED) terminal.parser.registerCsiHandler({ final }, ([n]) => Number(n) > MOST_REPEATED);
  setWidths(terminal, new UnicodeGraphemesAddon());
  return terminal;
}

export class Viewer {
  terminal = makeTerminal(80, 24);
  /** The offset of the next byte. */
  offset = -1;
  size = '';
  ended = false;
  resets = 0;
  /** The hello event. */
  hello;
  #writer = new TerminalWriter(this.terminal, { begin() {}, end() {} }, () => {});
  #socket;
  /** @type {{until: () => boolean, resolve: () => void, reject: (e: Error) => void}[]} */
  #waiting = [];

  /**
   * @param {number} port
   * @param {{output?: (bytes: Buffer, offset: number) => void, resize?: (cols: number, rows: number, offset: number) => void}} on
   */
  constructor(port, on = {}) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/`, 'wsrun.v1');
    this.#socket.on('message', (data, binary) => {
      if (binary) {
        on.output?.(data, this.offset);
        this.#writer.write(data, 0);
        this.offset += data.length;
      } else {
        this.#event(JSON.parse(String(data)), on);
      }
      this.#check();
    });
    this.#socket.on('error', (e) => this.#fail(e));
    this.#socket.on('close', (code) => this.#fail(new Error(`closed with ${code} at ${this.offset}`)));
  }

  #event(event, on) {
    switch (event.event) {
      case 'hello':
        this.hello = event;
        this.#restart(event, event.cols, event.rows);
        break;
      case 'reset':
        this.resets++;
        this.#restart(event, 0, 0);
        break;
      case 'resize':
        on.resize?.(event.cols, event.rows, this.offset);
        this.size = `${event.cols}x${event.rows}`;
        this.#writer.after(() => this.terminal.resize(event.cols, event.rows));
        break;
      case 'exit':
        this.ended = true;
        break;
    }
  }

  #restart({ offset, prelude }, cols, rows) {
    this.offset = offset;
    if (cols) this.size = `${cols}x${rows}`;
    this.#writer.after(() => {
      this.terminal.reset();
      if (cols) this.terminal.resize(cols, rows);
    });
    this.#writer.dropPartial();
    if (prelude) this.#writer.write(Buffer.from(prelude), 0);
  }

  /** Reports whether the hello had a screen, not only colours and modes. */
  get dumped() {
    return /\x1b\[[\d;]*[Hf]/.test(this.hello?.prelude ?? '');
  }

  /** Resolves when the condition holds after a message and everything before it is parsed. */
  until(condition) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ until: condition, resolve: () => this.#writer.after(() => resolve(this)), reject });
      this.#check();
    });
  }

  /** Resolves when the output up to offset is parsed and the size at offset is in force. */
  at(offset, size) {
    return this.until(() => this.offset >= offset && this.size === size);
  }

  pause() { this.#socket.pause(); }
  resume() { this.#socket.resume(); }

  close() {
    this.#waiting = [];
    this.#socket.terminate();
    this.terminal.dispose();
  }

  #check() {
    this.#waiting = this.#waiting.filter((w) => {
      if (!w.until()) return true;
      w.resolve();
      return false;
    });
  }

  #fail(error) {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const w of waiting) w.reject(error);
  }
}
