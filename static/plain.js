// @ts-check
const MOST_CHARACTERS = 4_000_000;

/**
 * Removes escape sequences and, roughly, what carriage returns wrote over.
 * @param {string} text
 */
export function plain(text) {
  return text
    .replace(/\x1b\][^\x07\x1b]*(\x07|\x1b\\)?/g, '')
    .replace(/\x1b\[[0-?]*[ -/]*[@-~]/g, '')
    .replace(/\x1b[ -/]*[0-~]/g, '')
    .replace(/\r+\n/g, '\n')
    .replace(/[^\n]*\r(?!$)/g, '')
    .replace(/[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]/g, '');
}

/** Shows output as plain text: what is left when xterm.js can't be loaded. */
export class PlainView {
  #pre = document.createElement('pre');
  #element;
  #decoder = new TextDecoder();

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    element.append(this.#pre);
  }

  resize() {}

  /** @param {Uint8Array | string} bytes */
  write(bytes) {
    const text = typeof bytes === 'string' ? bytes : this.#decoder.decode(bytes, { stream: true });
    const follows = this.#element.scrollTop + this.#element.clientHeight >= this.#element.scrollHeight - 20;
    this.#pre.append(plain(text));
    while (this.#pre.childNodes.length > 1 && (this.#pre.textContent ?? '').length > MOST_CHARACTERS) {
      this.#pre.firstChild?.remove();
    }
    if (follows) this.#element.scrollTop = this.#element.scrollHeight;
  }

  clear() {
    this.#pre.replaceChildren();
    this.#decoder = new TextDecoder();
  }
}
