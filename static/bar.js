// @ts-check
import { $, number } from './dom.js';
import { announce } from './status.js';
import { duration } from './times.js';

const COLOURS = { wait: '#bf8700', live: '#1a7f37', paused: '#6e7781', ok: '#1a7f37', failed: '#c8232c', ended: '#6e7781' };
const SYMBOLS = { wait: '…', live: '', paused: '', ok: '✓', failed: '✗', ended: '' };
// How many characters at the end of a title stay when its middle has to go.
const TITLE_END = 14;
const MAX_PROGRAM_TITLE = 120;

/** The bar above the output: state, title, time, viewers; and the tab's icon and title. */
export class Bar {
  #title = '';
  /** @type {keyof typeof SYMBOLS} */
  #state = 'wait';
  #words = '';
  #behind = -1; // how many lines a paused view is behind; -1 if it follows the end
  /** @type {keyof typeof SYMBOLS | undefined} the state that the icon and the tab's title show */
  #drawn;
  #started = 0;
  #skew = 0;
  #duration = 0; // of a run that ended
  #retryAt = 0;

  constructor() {
    setInterval(() => this.#tick(), 1000);
  }

  /**
   * Shows the stream's state, in the bar and in the browser's tab.
   * @param {keyof typeof SYMBOLS} state
   * @param {string} words
   */
  show(state, words) {
    this.#retryAt = 0;
    this.#state = state;
    this.#words = words;
    this.#draw();
    announce('state', () => `state: ${this.#words}`);
  }

  /** @param {number} lines that the view is behind a live stream; -1 if it follows the end */
  set behind(lines) {
    this.#behind = lines;
    this.#draw();
  }

  /** Counts down to the next attempt to connect. @param {number} ms */
  retry(ms) {
    this.#retryAt = Date.now() + ms;
    this.#tick();
  }

  /** @param {string} title */
  set title(title) {
    this.#title = title;
    $('title').title = $('title').ariaLabel = title;
    const [start, end] = $('title').children;
    const line = title.replace(/\s/g, ' '); // a script has several
    const at = line.length > 2 * TITLE_END ? line.length - TITLE_END : line.length;
    start.textContent = line.slice(0, at);
    end.textContent = line.slice(at);
    this.#nameTab();
  }

  /** @param {string} title that the program set. It is hostile, so it is short and beside the title */
  set programTitle(title) {
    $('said').textContent = [...title.replace(/[\p{Cc}\p{Cf}]/gu, '')].slice(0, MAX_PROGRAM_TITLE).join('');
  }

  /** @param {number} n */
  set viewers(n) {
    $('viewers').textContent = `${n} watching`;
  }

  /**
   * Shows how long a run has been running.
   * @param {number} started when the run began, by the server's clock
   * @param {number} now the time there
   */
  clock(started, now) {
    this.#started = started;
    this.#skew = now - Date.now();
    this.#duration = 0;
    this.#tick();
  }

  /** Shows how long a run took. @param {number} ms */
  ended(ms) {
    this.#duration = ms;
    this.#tick();
  }

  /** How far the server's clock is ahead of the browser's, in milliseconds. */
  get skew() {
    return this.#skew;
  }

  #tick() {
    if (this.#started) $('elapsed').textContent = duration(this.#duration || Math.max(Date.now() + this.#skew - this.#started, 1000));
    if (this.#retryAt) {
      const s = Math.ceil((this.#retryAt - Date.now()) / 1000);
      $('state').textContent = s > 0 ? `reconnecting in ${s} s` : 'reconnecting';
    }
  }

  #draw() {
    // A paused view of a stream that isn't live is not behind anything.
    const state = this.#state === 'live' && this.#behind >= 0 ? 'paused' : this.#state;
    const behind = this.#behind > 0 ? `paused, ${number.format(this.#behind)} behind` : 'paused';
    const words = state === 'paused' ? behind : this.#words;
    if (!this.#retryAt && $('state').textContent !== words) $('state').textContent = words;
    if (state === this.#drawn) return;
    this.#drawn = state;
    document.body.dataset.state = state;
    const shape = state === 'failed' ? '<rect x="3" y="3" width="10" height="10"' : '<circle cx="8" cy="8" r="6"';
    const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${shape} fill="${COLOURS[state]}"/></svg>`;
    $('icon').setAttribute('href', `data:image/svg+xml,${encodeURIComponent(icon)}`);
    this.#nameTab();
  }

  #nameTab() {
    document.title = [SYMBOLS[this.#state], this.#title].filter(Boolean).join(' ');
  }
}
