// @ts-check
import { $ } from './dom.js';
import { duration } from './times.js';

const COLOURS = { wait: '#bf8700', live: '#1a7f37', ok: '#1a7f37', failed: '#c8232c' };
const SYMBOLS = { wait: '…', live: '', ok: '✓', failed: '✗' };
// How many characters at the end of a title stay when its middle has to go.
const TITLE_END = 14;
const MAX_PROGRAM_TITLE = 120;

/** The bar above the output: state, title, time, viewers; and the tab's icon and title. */
export class Bar {
  #title = '';
  /** @type {keyof typeof SYMBOLS} */
  #state = 'wait';
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
    document.body.dataset.state = state;
    $('state').textContent = words;
    const shape = state === 'failed' ? '<rect x="3" y="3" width="10" height="10"' : '<circle cx="8" cy="8" r="6"';
    const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${shape} fill="${COLOURS[state]}"/></svg>`;
    $('icon').setAttribute('href', `data:image/svg+xml,${encodeURIComponent(icon)}`);
    this.#nameTab();
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
    const at = title.length > 2 * TITLE_END ? title.length - TITLE_END : title.length;
    start.textContent = title.slice(0, at);
    end.textContent = title.slice(at);
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

  #nameTab() {
    document.title = [SYMBOLS[this.#state], this.#title].filter(Boolean).join(' ');
  }
}
