// @ts-check
/** @import { Terminal as XTerm } from '@xterm/xterm' */
/** @import { FileStart, Hello, Reset } from './driver/driver.js' */
/** @import { LogView } from './log.js' */
/** @import { ScreenView } from './screen.js' */
/** @import { View } from './view.js' */
import { Cursor } from './cursor.js';
import { $, number } from './dom.js';
import { LastFrame } from './last-frame.js';
import { Lines, SCROLLBACK } from './lines.js';
import { TerminalWriter } from './terminal-writer.js';
import { setWidths } from './widths.js';
import { UnicodeGraphemesAddon } from './xterm/addon-unicode-graphemes.mjs';
import { Terminal } from './xterm/xterm.mjs';

/**
 * What the page writes a stream to. An output turns bytes and events into what its
 * views show, in the order in which it was given them, though maybe later.
 *
 * @typedef {object} Output
 * @property {boolean} fullScreen whether a program fills the screen, so that only a screen can show it
 * @property {View} log the view of the stream's lines
 * @property {() => Promise<ScreenView | undefined>} openScreen loads the view of the stream's
 *   screen, once; undefined if the output has none
 * @property {(hello: Hello, how: Connection) => void} begin a connection begins: continue if
 *   the hello says `resumed`, start over if not
 * @property {(reset: Reset, skew: number) => void} reset output was skipped: show how much, and continue at another place
 * @property {(bytes: Uint8Array) => void} write
 * @property {(cols: number, rows: number) => void} resize
 * @property {(words: string, start?: Partial<FileStart>) => void} note shows words in their place among the output, if the
 *   output can; with a start, what follows is another file's
 * @property {(line: number) => void} renumber what is written next is in that line: all lines have other numbers
 * @property {(words: string, ms: number, action: () => void) => void} end the run ended, as
 *   the words say, at a time by the server's clock: runs an action once all output is shown
 *
 * @typedef {object} Connection
 * @property {boolean} fresh this is another run: what was shown before must go
 * @property {number} skew of the server's clock to the browser's, in milliseconds
 *
 * @typedef {object} OutputCallbacks
 * @property {() => void} fullScreenChanged a program began or stopped filling the screen
 * @property {(overloaded: boolean) => void} overload true: too much output waits, and no
 *   more should come; false: nothing waits any more
 * @property {(title: string) => void} titleChanged the program set its title
 * @property {() => void} drawn there may be more to see
 */

// While this many bytes wait, the page draws less often: laying out lines that the next
// frame scrolls away takes as long as parsing them.
const BEHIND = 256 << 10;
const BEHIND_MS = 250;
// No one can read more than this many lines at a time: the page draws them 20 times a
// second, so that scrolling stays smooth.
const FAST = 12;
const FAST_MS = 50;
// A reader who is far from the end doesn't see what is drawn there, which takes most of the time in a log of 60,000 rows.
const AWAY_MS = 500;
// With this many lines waiting, the page doesn't wait for the next frame.
const MAX_WAITING = 10_000;

// How long a program that leaves the screen may take to end before the page shows the log:
// if the run ends with the program, the screen stays.
const LEAVING_MS = 150;
// More output than this is not just a program restoring the terminal.
const LEAVING_BYTES = 256;

// CHT, IL, DL, SU, SD, CBT, REP; and how often a program can mean it.
const REPEATED = 'ILMSTZb';
const MOST_REPEATED = 1000;

/**
 * The output that parses a stream with xterm.js, and shows its lines in a log and its
 * screen in a screen view. Nothing listens to the terminal's answers to queries.
 * @implements {Output}
 */
export class TerminalOutput {
  log;
  #callbacks;
  /** @type {XTerm} */
  #terminal;
  #cursor;
  #lines;
  #writer;
  #lastFrame;
  /** @type {ScreenView | undefined} */
  #screen;
  #frame = 0; // requested from the browser
  #drawnAt = 0; // by the clock of frames
  #later = 0; // the timer that asks for a frame
  #fullScreenChanged = false; // since the last frame
  #ending = false; // all output is there, though maybe not parsed
  #ended = ''; // how the run ended, in words
  #ms = 0; // the time of the slice that is being parsed; 0 if that is only known for its line
  #live = false; // output is written that came after the backlog
  #parsesLive = false; // that output is parsed
  #mayWait = false; // whether this slice may wait for the end of the run
  #stopWaiting = () => {};
  /** @type {[number, number][]} [offset, ms] of the backlog yet to come */
  #times = [];
  #offset = 0; // of the next byte
  #end = 0; // of the backlog
  #skew = 0;

  /**
   * @param {LogView} log
   * @param {OutputCallbacks} callbacks
   */
  constructor(log, callbacks) {
    this.log = log;
    this.#callbacks = callbacks;
    this.#terminal = newTerminal();
    this.#cursor = new Cursor(this.#terminal);
    this.#terminal.buffer.onBufferChange(() => { this.#fullScreenChanged = true; });
    this.#terminal.onTitleChange((title) => callbacks.titleChanged(title));
    const lines = new Lines(this.#terminal);
    this.#lines = lines;
    this.#lastFrame = new LastFrame(this.#terminal, () => ({ line: lines.line, ms: this.#ms }), () => this.#waitForEnd());
    this.#writer = new TerminalWriter(this.#terminal, {
      begin: (slice, ms) => {
        this.#ms = this.#parsesLive ? ms : 0;
        this.#mayWait = true;
        lines.begin(slice, ms);
      },
      end: () => {
        lines.end();
        // A hidden tab gets no frames.
        if (lines.waiting > MAX_WAITING) this.#draw();
        else this.#requestDraw();
      },
    }, callbacks.overload);
  }

  get fullScreen() {
    return this.#terminal.buffer.active.type === 'alternate';
  }

  async openScreen() {
    const { ScreenView } = await import('./screen.js');
    this.#screen ??= new ScreenView($('screen'), this.#terminal);
    this.#screen.ended = this.#ended;
    return this.#screen;
  }

  /**
   * @param {Hello} hello
   * @param {Connection} how
   */
  begin(hello, { fresh, skew }) {
    if (hello.resumed) this.#locate(hello, skew);
    else this.#restart(hello, fresh, skew);
  }

  /**
   * @param {Reset} reset
   * @param {number} skew
   */
  reset(reset, skew) {
    this.#restart(reset, false, skew);
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    const times = this.#times;
    while (bytes.length) {
      while (times.length > 1 && times[1][0] <= this.#offset) times.shift();
      const backlog = this.#offset < this.#end;
      const known = times.length > 0 && times[0][0] <= this.#offset;
      const next = times[known ? 1 : 0]?.[0] ?? Infinity;
      const part = bytes.subarray(0, backlog ? Math.min(this.#end, next) - this.#offset : Infinity);
      if (!backlog && !this.#live) this.#setLive(true);
      this.#writer.write(part, backlog ? (known ? times[0][1] : 0) : Date.now() + this.#skew);
      this.#offset += part.length;
      bytes = bytes.subarray(part.length);
    }
    if (this.#writer.waiting > LEAVING_BYTES) this.#stopWaiting();
  }

  /**
   * @param {number} cols
   * @param {number} rows
   */
  resize(cols, rows) {
    this.#writer.after(() => {
      this.#lines.resize(cols, rows);
      this.#lines.end();
      this.#requestDraw();
      this.#screen?.fit();
    });
  }

  /**
   * @param {string} words
   * @param {Partial<FileStart>} [start]
   */
  note(words, start) {
    this.#writer.after(() => {
      this.#lines.finish();
      this.#terminal.reset();
      this.#cursor.reset();
      this.#lines.restart(start?.line ?? this.#lines.line, 0);
      this.log.update(this.#lines.done(), []);
      if (start) this.log.renumber();
      this.log.gap(words);
    });
    if (!start) return;
    const by = (start.offset ?? 0) - this.#offset; // also for what is left of the backlog
    this.#times = this.#times.map(([offset, ms]) => [offset + by, ms]);
    this.#end += by;
    this.#offset += by;
  }

  /** @param {number} line */
  renumber(line) {
    this.#writer.after(() => {
      const by = line - this.#lines.line;
      this.#lines.shift(by);
      this.log.shift(by);
      this.#callbacks.drawn();
    });
  }

  /**
   * @param {string} words
   * @param {number} ms
   * @param {() => void} action
   */
  end(words, ms, action) {
    this.#ending = true;
    this.#stopWaiting();
    this.#writer.after(() => {
      this.#ending = true; // starting over may have come in between
      const frame = this.#lastFrame.atEnd(this.#lines.line, ms);
      if (frame) this.#writer.write(new TextEncoder().encode(frame), ms);
      this.#writer.after(() => {
        this.#ended = this.fullScreen ? words : '';
        if (this.#screen) this.#screen.ended = this.#ended;
        this.#draw();
        this.#callbacks.fullScreenChanged();
        action();
      });
    });
  }

  /**
   * Continues at another place of the stream, with an empty terminal.
   * @param {Hello | Reset} at
   * @param {boolean} fresh this is another run
   * @param {number} skew
   */
  #restart(at, fresh, skew) {
    if (fresh) this.#writer.clear();
    this.#writer.after(() => this.#startOver(at, fresh));
    this.#writer.dropPartial();
    const prelude = new TextEncoder().encode(at.prelude);
    const { offset, from, to } = at.kept ?? { offset: at.offset, from: prelude.length, to: prelude.length };
    this.#writer.write(prelude.subarray(0, from), 0);
    this.#locate({ times: at.times, offset, end: offset + to - from }, skew);
    this.write(prelude.subarray(from, to));
    this.#writer.write(prelude.subarray(to), 0);
    if (at.kept) this.#writer.after(() => this.#lines.renumber(at.line));
    this.#locate(at, skew);
  }

  /**
   * Empties the terminal, and the log if this is another run.
   * @param {Hello | Reset} at
   * @param {boolean} fresh
   */
  #startOver(at, fresh) {
    const before = this.#lines.line;
    if (fresh) this.#lines.clear();
    else this.#lines.finish();
    this.#terminal.reset();
    this.#cursor.reset();
    this.#lastFrame.clear();
    this.#ending = false;
    this.#ended = '';
    if (this.#screen) this.#screen.ended = '';
    if (at.event === 'hello') {
      if (at.cols) this.#terminal.resize(at.cols, at.rows); // there is nothing to wrap again
      this.#terminal.options.convertEol = at.lf;
    }
    this.#lines.restart(at.kept?.line ?? at.line, 0);
    if (fresh) {
      this.log.clear();
      return;
    }
    this.log.update(this.#lines.done(), []);
    const missing = at.event === 'reset' ? at.skippedLines : at.line - before;
    this.log.gap(missing > 0 ? `${number.format(missing)} ${missing === 1 ? 'line' : 'lines'} skipped` : 'some output skipped');
  }

  /**
   * Sets the offset of the next byte, and the times of the backlog.
   * @param {{times: [number, number][], offset: number, end: number}} at
   * @param {number} skew
   */
  #locate(at, skew) {
    this.#setLive(false);
    this.#times = at.times;
    this.#offset = at.offset;
    this.#end = at.end;
    this.#skew = skew;
  }

  /** Notes whether what is written next is live, or backlog. @param {boolean} live */
  #setLive(live) {
    this.#live = live;
    this.#writer.after(() => { this.#parsesLive = live; });
  }

  /** Draws with the next frame, or with a later one if much more output waits or nobody would see it. */
  #requestDraw() {
    if (this.#later && this.log.away) return;
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      const interval = this.#writer.waiting > BEHIND ? BEHIND_MS : this.log.away ? AWAY_MS : this.#lines.waiting > FAST ? FAST_MS : 0;
      if (now - this.#drawnAt < interval) return this.log.away ? this.#drawLater() : this.#requestDraw();
      this.#drawnAt = now;
      this.#draw();
    });
  }

  /** Draws after a while, without asking for frames until then: each takes milliseconds in a long log. */
  #drawLater() {
    this.#later ||= setTimeout(() => {
      this.#later = 0;
      this.#requestDraw();
    }, AWAY_MS);
  }

  /**
   * Waits before a program leaves the screen, if the run may be about to end: otherwise the
   * page would show the log for a moment.
   * @returns {Promise<void> | undefined} undefined not to wait
   */
  #waitForEnd() {
    if (this.#ending || !this.#mayWait || this.#writer.waiting) return undefined;
    this.#mayWait = false;
    return new Promise((resolve) => {
      this.#stopWaiting = resolve;
      setTimeout(this.#stopWaiting, LEAVING_MS);
    });
  }

  /** Shows all output that was parsed. */
  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    // At the end, the last frame may come back.
    if (this.#fullScreenChanged && !this.#ending) {
      this.#fullScreenChanged = false;
      this.#callbacks.fullScreenChanged();
    }
    this.log.update(this.#lines.done(), this.#lines.tail());
    this.log.caret = this.#ending || this.#cursor.hidden || this.#writer.waiting ? undefined : this.#lines.caret;
    if (this.log.rows.length || this.fullScreen) this.#callbacks.drawn();
  }
}

/** @returns {XTerm} a terminal that is safe to write hostile output to */
function newTerminal() {
  const terminal = new Terminal({
    allowProposedApi: true, // for the widths of characters
    disableStdin: true,
    scrollback: SCROLLBACK,
    minimumContrastRatio: 4.5, // WCAG AA
    logLevel: 'off', // the console is not for the stream's mistakes
    linkHandler: { activate: (_, link) => { open(link, '_blank', 'noopener,noreferrer'); } },
  });
  // xterm.js repeats these one by one, up to 2³¹ times.
  for (const final of REPEATED) terminal.parser.registerCsiHandler({ final }, ([n]) => Number(n) > MOST_REPEATED);
  terminal.parser.registerOscHandler(52, () => true); // the clipboard is the user's
  setWidths(terminal, new UnicodeGraphemesAddon());
  return terminal;
}
