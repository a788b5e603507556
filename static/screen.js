// @ts-check
/** @import { Terminal } from '@xterm/xterm' */

const FONT_PX = { least: 4, most: 32 };
const LINE_HEIGHT = 1.2;

/** Shows the terminal itself, at the sender's size, scaled to fit. */
export class ScreenView {
  #terminal;
  #element;
  #opened = false;

  /**
   * @param {HTMLElement} element
   * @param {Terminal} terminal
   */
  constructor(element, terminal) {
    this.#element = element;
    this.#terminal = terminal;
    new ResizeObserver(() => this.fit()).observe(element);
  }

  /** To be called once the element is to be seen, and whenever it is again. */
  show() {
    if (!this.#opened) {
      this.#opened = true;
      this.#open();
      return;
    }
    this.theme();
    this.fit();
    this.#terminal.scrollToBottom();
  }

  async #open() {
    addNonce();
    await sheet();
    const terminal = this.#terminal;
    terminal.options.fontFamily = getComputedStyle(this.#element).fontFamily;
    terminal.options.lineHeight = LINE_HEIGHT;
    terminal.attachCustomKeyEventHandler(() => false); // keys are the page's
    terminal.open(this.#element);
    this.show();
    // It draws boxes that join, which fonts don't at this line height.
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

  /** Takes the page's colours. */
  theme() {
    const probe = this.#element.appendChild(document.createElement('span'));
    /** @param {string} name */
    const colour = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
    /** @type {Record<string, string>} */
    const theme = { background: colour('ground'), foreground: colour('text'), cursor: colour('text'), selectionBackground: colour('select') };
    names.forEach((name, i) => {
      theme[name] = colour(`c${i}`);
      theme[`bright${name[0].toUpperCase()}${name.slice(1)}`] = colour(`c${i + 8}`);
    });
    probe.remove();
    this.#terminal.options.theme = theme;
  }

  /** Makes the sender's columns and rows fill the window. */
  fit() {
    const { clientWidth, clientHeight } = this.#element;
    if (!this.#opened || !clientWidth || !clientHeight) return;
    const { cols, rows } = this.#terminal;
    const advance = glyphWidth(getComputedStyle(this.#element).fontFamily);
    const height = LINE_HEIGHT * glyphHeight(getComputedStyle(this.#element).fontFamily);
    const px = Math.min((clientWidth - 16) / cols / advance, clientHeight / rows / height);
    const size = Math.max(FONT_PX.least, Math.min(FONT_PX.most, Math.floor(px * 4) / 4));
    if (size !== this.#terminal.options.fontSize) this.#terminal.options.fontSize = size;
  }
}

/** Loads xterm.js' style sheet. */
function sheet() {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('./xterm/xterm.css', import.meta.url).href;
  document.head.append(link);
  return new Promise((resolve) => { link.onload = link.onerror = resolve; });
}

const PROBE_PX = 100;

/**
 * @param {string} family
 * @returns {TextMetrics}
 */
function measure(family) {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) throw new Error('no canvas');
  context.font = `${PROBE_PX}px ${family}`;
  return context.measureText('W');
}

/** @param {string} family */
const glyphWidth = (family) => measure(family).width / PROBE_PX;

/** @param {string} family */
const glyphHeight = (family) => {
  const m = measure(family);
  return (m.fontBoundingBoxAscent + m.fontBoundingBoxDescent) / PROBE_PX;
};

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
