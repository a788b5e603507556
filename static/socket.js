// @ts-check
/**
 * @typedef {{event: string, [field: string]: any}} Event
 * @typedef {object} Callbacks
 * @property {(hello: Event) => void} hello every connection's first event; unless `resumed`, begin anew
 * @property {(bytes: Uint8Array) => void} output
 * @property {(event: Event) => void} event the others, in their place among the output
 * @property {(closed: {code: number, retryMs: number}) => void} closed retryMs is negative if there is no retry
 */

const LEAST_MS = 500;
const MOST_MS = 30_000;
// The server sends something at least every 30 s.
const SILENT_MS = 60_000;
// The stream ended; we broke the protocol. Coming again would change nothing.
const FINAL = [1000, 1008];

/**
 * How long to wait before the given try, from 0: anything up to a bound that
 * doubles, so that thousands of viewers don't come back at once.
 * @param {number} attempt
 */
export function delay(attempt, random = Math.random) {
  return LEAST_MS + random() * (Math.min(MOST_MS, LEAST_MS * 2 ** (attempt + 1)) - LEAST_MS);
}

/** Follows a stream by wsrun.v1, and resumes it when the connection is lost. */
export class Stream {
  #url;
  #on;
  /** @type {WebSocket | undefined} */
  #socket;
  #epoch = '';
  #offset = 0;
  #attempt = 0;
  /** @type {any} */
  #timer;

  /**
   * @param {string} url of the WebSocket
   * @param {Callbacks} on
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  /** Connects now, if there is no connection. */
  connect() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    const url = new URL(this.#url);
    if (this.#epoch) {
      url.searchParams.set('epoch', this.#epoch);
      url.searchParams.set('offset', String(this.#offset));
    }
    const socket = new WebSocket(url, 'wsrun.v1');
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onerror = () => {}; // close follows, and there is no more to know
    socket.onclose = ({ code }) => this.#closed(socket, code);
    this.#socket = socket;
    this.#listen();
  }

  /** Leaves the stream for good. */
  close() {
    const socket = this.#socket;
    this.#socket = undefined;
    clearTimeout(this.#timer);
    if (socket) socket.onmessage = socket.onclose = null;
    socket?.close();
  }

  /** Starts the time after which silence means that the connection is dead. */
  #listen() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#timer = setTimeout(() => {
      socket?.close();
      this.#closed(socket, 1006); // the browser would wait for an answer first
    }, SILENT_MS);
  }

  /** @param {string | ArrayBuffer} data */
  #message(data) {
    this.#listen();
    if (typeof data !== 'string') {
      this.#offset += data.byteLength;
      this.#on.output(new Uint8Array(data));
      return;
    }
    const event = JSON.parse(data);
    if (event.event === 'hello' || event.event === 'reset') this.#offset = event.offset;
    if (event.event === 'hello') {
      this.#epoch = event.epoch;
      this.#attempt = 0;
      this.#on.hello(event);
    } else {
      this.#on.event(event);
    }
  }

  /**
   * @param {WebSocket | undefined} socket
   * @param {number} code
   */
  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearTimeout(this.#timer);
    if (socket) socket.onmessage = null;
    const retryMs = FINAL.includes(code) ? -1 : delay(this.#attempt++);
    if (retryMs >= 0) this.#timer = setTimeout(() => this.connect(), retryMs);
    this.#on.closed({ code, retryMs });
  }
}
