// @ts-check
/** @import { ITheme, Terminal } from '@xterm/xterm' */
import { hex, parseColour } from './contrast.js';
import { ScreenSearch } from './screen-search.js';
import { View } from './view.js';

const FONT_PX = { min: 4, max: 32 };
const LINE_HEIGHT = 1.2;
const PADDING_PX = 16; // left and right

/** @type {(keyof ITheme)[][]} by palette index: normal and bright */
const PALETTE = [
  ['black', 'brightBlack'], ['red', 'brightRed'], ['green', 'brightGreen'], ['yellow', 'brightYellow'],
  ['blue', 'brightBlue'], ['magenta', 'brightMagenta'], ['cyan', 'brightCyan'], ['white', 'brightWhite'],
];

/** Shows the terminal itself, at the sender's size, scaled to fit. */
export class ScreenView extends View {
  #terminal;
  #opened = false;
  #card = document.createElement('p');
  /** @readonly */
  search;

  /**
   * @param {HTMLElement} element
   * @param {Terminal} terminal
   */
  constructor(element, terminal) {
    super(element);
    this.#terminal = terminal;
    this.search = new ScreenSearch(terminal);
    this.#card.className = 'card';
    element.append(this.#card);
    new ResizeObserver(() => this.fit()).observe(element);
  }

  show() {
    super.show();
    if (this.#opened) {
      this.#refresh();
      return;
    }
    this.#opened = true; // a terminal can only be opened while it is visible
    this.#open();
  }

  /** Shows how the run ended, on the last frame. @param {string} words empty while it runs */
  set ended(words) {
    this.#card.textContent = words;
    this.element.classList.toggle('ended', words !== '');
  }

  /** Takes the page's colours. */
  recolour() {
    const probe = this.element.appendChild(document.createElement('span'));
    /** @param {string} name */
    const colour = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    /** @type {ITheme} */
    const theme = {
      background: colour('ground'), foreground: colour('text'), cursor: colour('text'), cursorAccent: colour('ground'), selectionBackground: colour('select'),
    };
    PALETTE.forEach(([normal, bright], i) => Object.assign(theme, { [normal]: colour(`c${i}`), [bright]: colour(`c${i + 8}`) }));
    const [hit, current, text, ground] = ['hit', 'focus', 'text', 'ground'].map((name) => hex(parseColour(colour(name))));
    this.search.colours = { hit, current, text, ground };
    probe.remove();
    this.#terminal.options.theme = theme;
  }

  /** Makes the sender's columns and rows fill the window. */
  fit() {
    const { clientWidth, clientHeight } = this.element;
    if (!this.#opened || !clientWidth || !clientHeight) return;
    const { cols, rows } = this.#terminal;
    const glyph = measure(getComputedStyle(this.element).fontFamily);
    const px = Math.min((clientWidth - PADDING_PX) / cols / glyph.width, clientHeight / rows / (LINE_HEIGHT * glyph.height));
    const size = Math.max(FONT_PX.min, Math.min(FONT_PX.max, Math.floor(px * 4) / 4));
    if (size !== this.#terminal.options.fontSize) this.#terminal.options.fontSize = size;
  }

  #refresh() {
    this.recolour();
    this.fit();
    this.#terminal.scrollToBottom();
  }

  async #open() {
    addNonce();
    await loadStyleSheet();
    const terminal = this.#terminal;
    terminal.options.fontFamily = getComputedStyle(this.element).fontFamily;
    terminal.options.lineHeight = LINE_HEIGHT;
    terminal.attachCustomKeyEventHandler(() => false); // keys are the page's
    terminal.open(this.element);
    this.#refresh();
    // WebGL draws box characters that join, which fonts don't at this line height.
    const gl = document.createElement('canvas').getContext('webgl2');
    if (!gl) {
      terminal.options.lineHeight = 1;
      return;
    }
    gl.getExtension('WEBGL_lose_context')?.loseContext();
    import('./xterm/addon-webgl.mjs').then(({ WebglAddon }) => {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => webgl.dispose());
      terminal.loadAddon(webgl);
      this.fit();
    }).catch(() => { terminal.options.lineHeight = 1; this.fit(); });
  }
}

/** Loads xterm.js' style sheet. */
function loadStyleSheet() {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('./xterm/xterm.css', import.meta.url).href;
  document.head.append(link);
  return new Promise((resolve) => { link.onload = link.onerror = resolve; });
}

const PROBE_PX = 100;

/**
 * The size of a glyph, in em.
 * @param {string} family
 */
function measure(family) {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) throw new Error('no canvas');
  context.font = `${PROBE_PX}px ${family}`;
  const m = context.measureText('W');
  return { width: m.width / PROBE_PX, height: (m.fontBoundingBoxAscent + m.fontBoundingBoxDescent) / PROBE_PX };
}

/** Gives the style elements that xterm.js creates the nonce of the page's policy. */
function addNonce() {
  const nonce = document.querySelector('meta[name=csp-nonce]')?.getAttribute('content') ?? '';
  const create = document.createElement.bind(document);
  document.createElement = (/** @type {string} */ name, /** @type {ElementCreationOptions | undefined} */ options) => {
    const element = create(name, options);
    if (name === 'style') element.nonce = nonce;
    return element;
  };
}
