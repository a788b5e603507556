// @ts-check
/** @import { Terminal } from '@xterm/xterm' */

/** @typedef {'block' | 'underline' | 'bar'} Shape */

/** @type {Shape[]} by the parameter of DECSCUSR */
const SHAPES = ['block', 'block', 'block', 'underline', 'underline', 'bar', 'bar'];
const CURSOR_MODE = 25; // DECTCEM

/**
 * Makes a terminal show its cursor without having the focus, in the shape that the program
 * chose. It doesn't blink, because each change would draw the screen again.
 */
export class Cursor {
  #terminal;
  /** Whether the program hides the cursor, to read only. */
  hidden = false;

  /** @param {Terminal} terminal that nothing was written to yet */
  constructor(terminal) {
    this.#terminal = terminal;
    const { parser } = terminal;
    parser.registerCsiHandler({ intermediates: ' ', final: 'q' }, ([n]) => {
      this.#shape = SHAPES[Number(n)] ?? 'block';
      return true;
    });
    for (const final of ['h', 'l']) {
      parser.registerCsiHandler({ prefix: '?', final }, (modes) => {
        if (modes.includes(CURSOR_MODE)) this.hidden = final === 'l';
        return false; // xterm.js does it
      });
    }
    parser.registerCsiHandler({ intermediates: '!', final: 'p' }, () => this.#onReset());
    parser.registerEscHandler({ final: 'c' }, () => this.#onReset());
    // xterm.js draws no cursor before the terminal had the focus or another screen.
    terminal.write('\x1b[?1049h\x1b[?1049l');
    this.#onReset();
  }

  /** Must be called when the terminal is reset, but not by the stream. */
  reset() {
    this.#onReset();
    this.#terminal.write('\x1b[?25h'); // xterm.js doesn't
  }

  #onReset() {
    this.#shape = 'block';
    this.hidden = false;
    return false; // xterm.js does the rest
  }

  /** @param {Shape} shape */
  set #shape(shape) {
    this.#terminal.options.cursorStyle = this.#terminal.options.cursorInactiveStyle = shape;
  }
}
