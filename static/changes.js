// @ts-check
import { SocketDriver } from './driver/socket.js';

// Files may change all the time, but nobody reads a list that changes more often than this.
const INTERVAL_MS = 1000;
// How long to wait for the first connection before asking for the list without it: a proxy
// may leave a WebSocket's handshake unanswered.
const FIRST_MS = 2000;
// When to ask again for a list that could not be had, though there is a connection.
const RETRY_MS = 30_000;

/**
 * Asks for the list whenever it may have changed: when the server says so, and whenever a
 * connection is made or lost. Where no WebSocket gets through, the page asks as often as the
 * driver tries to connect, which is every 15 s on average in the end.
 *
 * Nothing is asked while the page is hidden. It must not be an EventSource, because a browser
 * has just six HTTP/1.1 connections to a host, and each tab with a list would hold one.
 */
export class Changes {
  #ask;
  #driver;
  #stale = false; // the list may have changed since it was asked for
  #asking = false;
  #askedAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} until the list is asked for */
  #timer;

  /**
   * @param {string} url of the WebSocket
   * @param {() => Promise<boolean>} ask asks for the list, and reports whether it came
   */
  constructor(url, ask) {
    this.#ask = ask;
    const changed = () => this.#changed();
    this.#driver = new SocketDriver(url, { hello: changed, output: changed, event: () => {}, closed: changed });
  }

  /** Begins to follow the changes. Must be called once. */
  start() {
    this.#timer = setTimeout(() => this.#changed(), FIRST_MS);
    this.#driver.connect();
    for (const name of ['online', 'pageshow']) addEventListener(name, () => this.wake());
    document.addEventListener('visibilitychange', () => this.wake());
  }

  /** Connects at once if there is no connection, and asks for the list if it has changed meanwhile. */
  wake() {
    if (document.hidden) return;
    this.#driver.connect();
    this.#askSoon();
  }

  #changed() {
    this.#stale = true;
    this.#askSoon();
  }

  #askSoon() {
    this.#askIn(Math.max(0, this.#askedAt + INTERVAL_MS - performance.now()));
  }

  /** Asks for the list later if it has changed, unless the page is hidden by then. @param {number} ms */
  #askIn(ms) {
    if (!this.#stale || this.#asking) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { if (!document.hidden) this.#askNow(); }, ms);
  }

  async #askNow() {
    this.#stale = false;
    this.#asking = true;
    this.#askedAt = performance.now();
    const came = await this.#ask();
    this.#asking = false;
    if (this.#stale) return this.#askSoon();
    this.#stale = !came;
    this.#askIn(RETRY_MS);
  }
}
