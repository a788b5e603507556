// @ts-check
/** @import { FileStart, Hello, Reset } from './driver/driver.js' */
/** @import { Line } from './lines.js' */
/** @import { LogView } from './log.js' */
/** @import { Output } from './output.js' */

// A longer line, in characters, is cut.
const MAX_LINE = 64 << 10;

/**
 * Text without escape sequences, and without what carriage returns overwrote.
 * @param {string} text
 */
export function plain(text) {
  return text
    .replace(/\x1b[\]PX^_k][^\x07\x1b]*(\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]/g, '')
    .split('\n')
    .map((line) => {
      line = line.replace(/\r+$/, '');
      return line.slice(line.lastIndexOf('\r') + 1);
    })
    .join('\n')
    .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '');
}

/**
 * Shows output as plain text when xterm.js can't be loaded: in a log, without a terminal, and so without a
 * size, a screen and times.
 * @implements {Output}
 */
export class PlainOutput {
  log;
  fullScreen = false;
  #onDrawn;
  #decoder = new TextDecoder();
  #rest = ''; // the unfinished last line
  #n = 1; // its number
  #cut = false; // it is the rest of a line that was too long, and has no number

  /**
   * @param {LogView} log
   * @param {() => void} onDrawn called when there is more output to see
   */
  constructor(log, onDrawn) {
    this.log = log;
    this.#onDrawn = onDrawn;
  }

  /** @param {Hello} hello */
  begin({ resumed, kept, prelude, line }) {
    if (resumed) return;
    this.log.clear();
    this.#startOver(kept?.line ?? line);
    if (kept) this.write(new TextEncoder().encode(prelude).subarray(kept.from, kept.to));
  }

  /** @param {Reset} reset */
  reset({ skippedLines, line }) {
    if (this.#rest) this.log.update([this.#unfinished], []);
    this.log.gap(`${skippedLines.toLocaleString('en')} lines skipped`);
    this.#startOver(line);
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const end = text.lastIndexOf('\n') + 1;
    const done = end ? plain(text.slice(0, end - 1)).split('\n').map((words) => this.#next(words)) : [];
    // Of a progress bar, only what follows its last carriage return can be seen.
    this.#rest = text.slice(end).replace(/^.*\r(?=[^\r])/s, '');
    if (this.#rest.length > MAX_LINE) {
      done.push({ ...this.#unfinished, cut: true });
      [this.#rest, this.#cut] = ['', true];
    }
    this.log.update(done, this.#rest ? [this.#unfinished] : []);
    this.#onDrawn();
  }

  resize() {}

  /**
   * @param {string} words
   * @param {Partial<FileStart>} [start]
   */
  note(words, start) {
    if (start) {
      if (this.#rest) this.log.update([this.#unfinished], []);
      this.#startOver(start.line ?? 1);
      this.log.renumber();
    }
    this.log.gap(words);
  }

  /** @param {number} line */
  renumber(line) {
    this.log.shift(line - this.#n);
    this.#n = line;
  }

  /**
   * @param {string} _words
   * @param {number} _ms
   * @param {() => void} action
   */
  end(_words, _ms, action) {
    action();
  }

  async openScreen() {
    return undefined;
  }

  /** Begins with another line. @param {number} n its number */
  #startOver(n) {
    this.#decoder = new TextDecoder();
    [this.#rest, this.#n, this.#cut] = ['', n, false];
  }

  /** The unfinished last line, as far as it is there. */
  get #unfinished() {
    return this.#line(plain(this.#rest));
  }

  /** A line that has ended. @param {string} text */
  #next(text) {
    const line = this.#line(text);
    this.#n++;
    this.#cut = false;
    return line;
  }

  /**
   * @param {string} text
   * @returns {Line}
   */
  #line(text) {
    return { n: this.#cut ? 0 : this.#n, ms: 0, runs: [{ text, style: '', link: '' }] };
  }
}
