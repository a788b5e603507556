// @ts-check
const MOST_LINES = 20_000;
// A longer line, in characters, is cut.
const LONGEST = 64 << 10;

/**
 * Text without escape sequences, and without what carriage returns wrote over.
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

/** Shows output as plain text: what is left when xterm.js can't be loaded. */
export class PlainView {
  #element;
  #decoder = new TextDecoder();
  #line = document.createElement('div'); // the unfinished last one
  #rest = '';

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    const { scrollTop, clientHeight, scrollHeight } = this.#element;
    const follows = scrollTop + clientHeight >= scrollHeight - 20;
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const end = text.lastIndexOf('\n') + 1;
    this.#line.remove();
    if (end) this.#element.append(...plain(text.slice(0, end - 1)).split('\n').map(row));
    // Of a progress bar only what follows its last start can be seen.
    this.#rest = text.slice(end).replace(/^.*\r(?=[^\r])/s, '');
    if (this.#rest.length > LONGEST) {
      this.#element.append(row(plain(this.#rest)));
      this.#rest = '';
    }
    this.#line = row(plain(this.#rest));
    this.#element.append(this.#line);
    for (let over = this.#element.childElementCount - MOST_LINES; over > 0; over--) this.#element.firstChild?.remove();
    if (follows) this.#element.scrollTop = this.#element.scrollHeight;
  }

  /** @param {string} words */
  gap(words) {
    this.#line = row(words);
    this.#line.className = 'gap';
    this.#element.append(this.#line);
    this.#line = row('');
    this.#rest = '';
  }

  clear() {
    this.#element.replaceChildren();
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
