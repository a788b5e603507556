// @ts-check
/** @import { Hello, Reset } from './driver/driver.js' */
/** @import { LogView } from './log.js' */
import { number } from './dom.js';
import { Lines, SCROLLBACK } from './lines.js';
import { TerminalWriter } from './terminal-writer.js';
import { setWidths } from './widths.js';
import { UnicodeGraphemesAddon } from './xterm/addon-unicode-graphemes.mjs';
import { Terminal } from './xterm/xterm.mjs';

// While the page is behind by this many bytes, it draws less often: laying out lines
// that the next frame scrolls away takes as long as parsing them.
const BEHIND = 256 << 10;
const BEHIND_MS = 250;
// Nobody reads more than this many lines at a time: they come 20 times a second, so
// that frames are left for whoever scrolls.
const FAST = 12;
const FAST_MS = 50;
// So many lines are not kept for the next frame.
const MOST_WAITING = 10_000;

// CHT, IL, DL, SU, SD, CBT, REP; and how often a program can mean it.
const REPEATED = 'ILMSTZb';
const MOST_REPEATED = 1000;

/**
 * The stream's output: the terminal that parses it, and the log that shows its
 * lines. The terminal answers no query: nothing listens to it.
 */
export class Output {
  /** @type {import('@xterm/xterm').Terminal} */
  terminal;
  #lines;
  #writer;
  #log;
  #on;
  #frame = 0;
  #changed = false; // to the alternate screen, or back
  #drawn = 0; // when, on the clock of frames
  /** @type {[number, number][]} [offset, ms] of output that is to come */
  #times = [];
  #offset = 0; // of the next byte
  #end = 0; // of the backlog
  #skew = 0;

  /**
   * @param {LogView} log
   * @param {{alternate(): void, crowded(crowded: boolean): void, said(title: string): void, drawn(): void}} on
   */
  constructor(log, on) {
    this.#log = log;
    this.#on = on;
    this.terminal = new Terminal({
      allowProposedApi: true, // for the widths of characters
      disableStdin: true,
      scrollback: SCROLLBACK,
      cursorInactiveStyle: 'none',
      minimumContrastRatio: 4.5, // WCAG AA
      logLevel: 'off', // what the stream does wrong is not for the console
      linkHandler: { activate: (_, link) => { open(link, '_blank', 'noopener,noreferrer'); } },
    });
    // xterm.js does these one by one, up to 2³¹ times.
    for (const final of REPEATED) this.terminal.parser.registerCsiHandler({ final }, ([n]) => Number(n) > MOST_REPEATED);
    setWidths(this.terminal, new UnicodeGraphemesAddon());
    this.terminal.buffer.onBufferChange(() => { this.#changed = true; });
    this.terminal.onTitleChange((/** @type {string} */ title) => on.said(title));
    this.terminal.parser.registerOscHandler(52, () => true); // the clipboard is the user's
    this.#lines = new Lines(this.terminal);
    const lines = this.#lines;
    this.#writer = new TerminalWriter(this.terminal, {
      begin: (slice, ms) => lines.begin(slice, ms),
      end: () => {
        lines.end();
        // A page that nobody sees has no frames.
        if (lines.waiting > MOST_WAITING) this.#show();
        else this.draw();
      },
    }, on.crowded);
  }

  /** Whether a program fills the screen. */
  get alternate() {
    return this.terminal.buffer.active.type === 'alternate';
  }

  /**
   * Goes on at another place of the stream.
   * @param {Hello | Reset} at
   * @param {boolean} clear this is another run
   * @param {number} skew of the server's clock to ours, in ms
   */
  restart(at, clear, skew) {
    if (clear) this.#writer.clear();
    this.#writer.after(() => {
      const before = this.#lines.line;
      if (clear) this.#lines.clear();
      else this.#lines.finish();
      this.terminal.reset();
      if (at.event === 'hello') {
        if (at.cols) this.terminal.resize(at.cols, at.rows); // it is empty
        this.terminal.options.convertEol = at.lf;
      }
      this.#lines.restart(at.kept?.line ?? at.line, 0);
      if (clear) {
        this.#log.clear();
      } else {
        this.#log.show(this.#lines.done(), []);
        const missing = at.event === 'reset' ? at.skippedLines : at.line - before;
        this.#log.gap(missing > 0 ? `${number.format(missing)} ${missing === 1 ? 'line' : 'lines'} skipped` : 'some output skipped');
      }
    });
    this.#writer.dropPartial();
    const prelude = new TextEncoder().encode(at.prelude);
    const { offset, from, to } = at.kept ?? { offset: at.offset, from: prelude.length, to: prelude.length };
    this.#writer.write(prelude.subarray(0, from), 0);
    this.place({ times: at.times, offset, end: offset + to - from }, skew);
    this.write(prelude.subarray(from, to));
    this.#writer.write(prelude.subarray(to), 0);
    if (at.kept) this.#writer.after(() => this.#lines.renumber(at.line));
    this.place(at, skew);
  }

  /**
   * Says something in its place among the lines.
   * @param {string} words
   */
  note(words) {
    this.#writer.after(() => {
      this.#lines.finish();
      this.terminal.reset();
      this.#lines.restart(this.#lines.line, 0);
      this.#log.show(this.#lines.done(), []);
      this.#log.gap(words);
    });
  }

  /**
   * Notes when the output that is to come came to the server.
   * @param {{times: [number, number][], offset: number, end: number}} at a hello, a reset, or what they keep
   * @param {number} skew of the server's clock to ours, in ms
   */
  place(at, skew) {
    this.#times = at.times;
    this.#offset = at.offset;
    this.#end = at.end;
    this.#skew = skew;
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    const times = this.#times;
    while (bytes.length) {
      while (times.length > 1 && times[1][0] <= this.#offset) times.shift();
      const backlog = times.length > 0 && this.#offset < this.#end;
      const until = backlog ? Math.min(this.#end, times[1]?.[0] ?? Infinity) : Infinity;
      const part = bytes.subarray(0, until - this.#offset);
      this.#writer.write(part, backlog ? times[0][1] : Date.now() + this.#skew);
      this.#offset += part.length;
      bytes = bytes.subarray(part.length);
    }
  }

  /**
   * @param {number} cols
   * @param {number} rows
   * @param {() => void} then
   */
  resize(cols, rows, then) {
    this.#writer.after(() => {
      this.#lines.resize(cols, rows);
      this.#lines.end();
      this.draw();
      then();
    });
  }

  /** @param {() => void} action done when all output before it is shown */
  after(action) {
    this.#writer.after(() => {
      this.#show();
      action();
    });
  }

  /** Shows what was parsed, with the next frame or, when much more waits, a later one. */
  draw() {
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      const apart = this.#writer.waiting > BEHIND ? BEHIND_MS : this.#lines.waiting > FAST ? FAST_MS : 0;
      if (now - this.#drawn < apart) return this.draw();
      this.#drawn = now;
      this.#show();
    });
  }

  #show() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#changed) this.#on.alternate();
    this.#changed = false;
    this.#log.show(this.#lines.done(), this.#lines.tail());
    if (this.#log.rows.length || this.alternate) this.#on.drawn();
  }
}
