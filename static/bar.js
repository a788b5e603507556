// @ts-check
import { $ } from './dom.js';
import { duration } from './times.js';

const COLOURS = { wait: '#bf8700', live: '#1a7f37', ok: '#1a7f37', failed: '#c8232c' };
const MARKS = { wait: '…', live: '', ok: '✓', failed: '✗' };
// How much of the end of a title stays when its middle has to go.
const TITLE_END = 14;

/** The bar above the output: state, title, time, viewers; and the tab's icon and title. */
export class Bar {
  #title = '';
  /** @type {keyof typeof MARKS} */
  #state = 'wait';
  #started = 0;
  #skew = 0; // of the server's clock to ours
  #ended = 0;
  #retryAt = 0;

  constructor() {
    setInterval(() => this.#tick(), 1000);
  }

  /**
   * @param {'wait' | 'live' | 'ok' | 'failed'} state
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
    this.#tab();
  }

  /** @param {number} ms to the next try to connect */
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
    this.#tab();
  }

  /** @param {string} said what the program calls itself: hostile, so short and beside the title */
  set said(said) {
    $('said').textContent = [...said.replace(/[\p{Cc}\p{Cf}]/gu, '')].slice(0, 120).join('');
  }

  /** @param {number} n */
  set viewers(n) {
    $('viewers').textContent = `${n} watching`;
  }

  /**
   * @param {number} started by the server's clock, as the others
   * @param {number} now
   */
  clock(started, now) {
    this.#started = started;
    this.#skew = now - Date.now();
    this.#ended = 0;
    this.#tick();
  }

  /** @param {number} ms how long it ran */
  ended(ms) {
    this.#ended = ms;
    this.#tick();
  }

  /** The server's time. */
  get now() {
    return Date.now() + this.#skew;
  }

  #tick() {
    if (this.#started) $('elapsed').textContent = duration(this.#ended || Math.max(this.now - this.#started, 1000));
    if (this.#retryAt) {
      const s = Math.ceil((this.#retryAt - Date.now()) / 1000);
      $('state').textContent = s > 0 ? `reconnecting in ${s} s` : 'reconnecting';
    }
  }

  #tab() {
    document.title = [MARKS[this.#state], this.#title].filter(Boolean).join(' ');
  }
}
