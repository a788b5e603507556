// @ts-check
/** @import { Hello, Reset } from './driver/driver.js' */
/** @import { LogView } from './log.js' */
/** @import { Output } from './output.js' */
import { KEPT, MAX_PAUSED } from './log.js';
import { View } from './view.js';

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
 * Shows output as plain text when xterm.js can't be loaded. It is its own output, has
 * no terminal and so no size, no screen and no times.
 * @implements {Output}
 */
export class PlainView extends View {
  #log;
  #onDrawn;
  #decoder = new TextDecoder();
  #line = document.createElement('div'); // the unfinished last one
  #rest = ''; // its text

  fullScreen = false;
  log = this;

  /**
   * @param {HTMLElement} element
   * @param {LogView} log of the same element, which decides where it is scrolled to
   * @param {() => void} onDrawn called when there is more output to see
   */
  constructor(element, log, onDrawn) {
    super(element);
    this.#log = log;
    this.#onDrawn = onDrawn;
  }

  /** @param {Hello} hello */
  begin({ resumed, kept, prelude }) {
    if (!resumed) this.#clear();
    if (kept) this.write(new TextEncoder().encode(prelude).subarray(kept.from, kept.to));
  }

  /** @param {Reset} reset */
  reset({ skippedLines }) {
    this.#line = row(`${skippedLines.toLocaleString('en')} lines skipped`);
    this.#line.className = 'gap';
    this.element.append(this.#line);
    this.#line = row('');
    this.#rest = '';
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    this.#log.keep(() => this.#append(bytes));
    this.#onDrawn();
  }

  /** @param {Uint8Array} bytes */
  #append(bytes) {
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const end = text.lastIndexOf('\n') + 1;
    this.#line.remove();
    if (end) this.element.append(...plain(text.slice(0, end - 1)).split('\n').map(row));
    // Of a progress bar, only what follows its last carriage return can be seen.
    this.#rest = text.slice(end).replace(/^.*\r(?=[^\r])/s, '');
    if (this.#rest.length > MAX_LINE) {
      this.element.append(row(plain(this.#rest)));
      this.#rest = '';
    }
    this.#line = row(plain(this.#rest));
    this.element.append(this.#line);
    const kept = this.#log.following ? KEPT : MAX_PAUSED;
    for (let excess = this.element.childElementCount - kept; excess > 0; excess--) this.element.firstChild?.remove();
  }

  resize() {}

  note() {}

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

  #clear() {
    this.element.replaceChildren();
    this.#decoder = new TextDecoder();
    this.#rest = '';
  }
}

/** @param {string} text */
function row(text) {
  const element = document.createElement('div');
  if (text) element.textContent = text;
  else element.append(document.createElement('br'));
  return element;
}
