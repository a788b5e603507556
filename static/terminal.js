// @ts-check
import { Terminal } from './xterm/xterm.mjs';

const DARK = {
  background: '#0d1117', foreground: '#e6edf3', cursor: '#e6edf3',
  black: '#7d8590', red: '#ff7b72', green: '#3fb950', yellow: '#d29922',
  blue: '#58a6ff', magenta: '#bc8cff', cyan: '#39c5cf', white: '#c9d1d9',
  brightBlack: '#8b949e', brightRed: '#ffa198', brightGreen: '#56d364', brightYellow: '#e3b341',
  brightBlue: '#79c0ff', brightMagenta: '#d2a8ff', brightCyan: '#56d4dd', brightWhite: '#f0f6fc',
};
const LIGHT = {
  background: '#ffffff', foreground: '#1f2328', cursor: '#1f2328',
  black: '#24292f', red: '#c8232c', green: '#116329', yellow: '#7d4e00',
  blue: '#0550ae', magenta: '#8250df', cyan: '#1b6f78', white: '#59636e',
  brightBlack: '#57606a', brightRed: '#a40e26', brightGreen: '#1a7f37', brightYellow: '#805600',
  brightBlue: '#0969da', brightMagenta: '#7c4dcc', brightCyan: '#1f6f7c', brightWhite: '#515a63',
};

const SCROLLBACK = 20_000;
const FONT_PX = { least: 9, most: 14 };
// A monospaced character is about this wide, in font sizes.
const ADVANCE = 0.61;

/** Shows output as a terminal does. It answers no query: nothing listens to it. */
export class TerminalView {
  #terminal;
  #element;
  #cols = 120;
  #rows = 30;

  /** @param {HTMLElement} element */
  constructor(element) {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    this.#element = element;
    this.#terminal = new Terminal({
      disableStdin: true,
      scrollback: SCROLLBACK,
      cursorInactiveStyle: 'none',
      fontFamily: getComputedStyle(element).getPropertyValue('--mono'),
      theme: dark.matches ? DARK : LIGHT,
    });
    dark.onchange = () => { this.#terminal.options.theme = dark.matches ? DARK : LIGHT; };
    addNonce();
    this.#terminal.open(element);
    addEventListener('resize', () => this.#fit());
  }

  /** Makes the sender's columns fit the window, as far as they stay readable. */
  #fit() {
    const px = Math.floor(this.#element.clientWidth / this.#cols / ADVANCE);
    this.#terminal.options.fontSize = Math.max(FONT_PX.least, Math.min(FONT_PX.most, px));
    this.#terminal.resize(this.#cols, this.#rows);
  }

  /**
   * @param {number} cols
   * @param {number} rows
   */
  resize(cols, rows) {
    this.#cols = cols || this.#cols;
    this.#rows = rows || this.#rows;
    // Behind what is still being parsed.
    this.#terminal.write('', () => this.#fit());
  }

  /** @param {Uint8Array | string} bytes */
  write(bytes) {
    this.#terminal.write(bytes);
  }

  clear() {
    this.#terminal.write('\x1bc');
  }
}

/** Lets the style elements that xterm.js makes pass the page's policy. */
function addNonce() {
  const nonce = document.querySelector('meta[name=csp-nonce]')?.getAttribute('content') ?? '';
  const create = document.createElement.bind(document);
  document.createElement = (/** @type {string} */ name, /** @type {any} */ options) => {
    const element = create(name, options);
    if (name === 'style') element.nonce = nonce;
    return element;
  };
}
