// @ts-check
/** @import { Callbacks, Driver, Hello, StreamEvent } from './driver.js' */

const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
// The server sends something at least every 30 s. The time is counted in steps, so that the
// server isn't blamed for the time during which the page was frozen or the computer asleep.
const SILENT_STEPS = 12;
const STEP_MS = 5000;
// The stream ended; we broke the protocol. Connecting again would change nothing.
const FINAL = [1000, 1008];
// RFC 6455, section 7.4.1: the connection was lost without a close frame.
const ABNORMAL = 1006;

/**
 * How long to wait before the given attempt, from 0: anything up to a bound that
 * doubles, so that thousands of viewers don't come back at once.
 * @param {number} attempt
 */
export function delay(attempt, random = Math.random) {
  return MIN_RETRY_MS + random() * (Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (attempt + 1)) - MIN_RETRY_MS);
}

/**
 * The driver for a live stream: speaks wsrun.v1 over a WebSocket, and resumes the
 * stream when the connection is lost.
 * @implements {Driver}
 */
export class SocketDriver {
  #url;
  #callbacks;
  /** @type {WebSocket | undefined} */
  #socket;
  #epoch = '';
  #offset = 0; // of the next byte
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} until the next attempt, or until silence means a dead connection */
  #timer;

  /**
   * @param {string} url of the WebSocket
   * @param {Callbacks} callbacks
   */
  constructor(url, callbacks) {
    this.#url = url;
    this.#callbacks = callbacks;
  }

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
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onerror = () => {}; // close follows, and says all there is to know
    socket.onclose = ({ code }) => this.#onClose(socket, code);
    this.#socket = socket;
    this.#awaitMessage();
  }

  close() {
    const socket = this.#socket;
    this.#socket = undefined;
    clearTimeout(this.#timer);
    if (socket) socket.onmessage = socket.onclose = null;
    socket?.close();
  }

  /** Starts the time after which silence means that the connection is dead. */
  #awaitMessage() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    let left = SILENT_STEPS;
    const step = () => {
      if (--left > 0) {
        this.#timer = setTimeout(step, STEP_MS);
        return;
      }
      socket?.close();
      this.#onClose(socket, ABNORMAL); // the browser would wait for an answer first
    };
    this.#timer = setTimeout(step, STEP_MS);
  }

  /** @param {string | ArrayBuffer} data */
  #onMessage(data) {
    this.#awaitMessage();
    if (typeof data !== 'string') {
      this.#offset += data.byteLength;
      this.#callbacks.output(new Uint8Array(data));
      return;
    }
    /** @type {Hello | StreamEvent} */
    const event = JSON.parse(data);
    if (event.event === 'hello' || event.event === 'reset') this.#offset = event.offset;
    if (event.event === 'file' && event.epoch !== undefined) {
      this.#epoch = event.epoch;
      this.#offset = event.offset ?? 0;
    }
    if (event.event === 'hello') {
      this.#epoch = event.epoch;
      this.#attempt = 0;
      this.#callbacks.hello(event);
    } else {
      this.#callbacks.event(event);
    }
  }

  /**
   * @param {WebSocket | undefined} socket
   * @param {number} code
   */
  #onClose(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearTimeout(this.#timer);
    if (socket) socket.onmessage = null;
    const retryMs = FINAL.includes(code) ? -1 : delay(this.#attempt++);
    if (retryMs >= 0) this.#timer = setTimeout(() => this.connect(), retryMs);
    this.#callbacks.closed({ code, retryMs });
  }
}
