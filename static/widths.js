// @ts-check
/** @import { IUnicodeVersionProvider, Terminal } from '@xterm/xterm' */
/** @import { UnicodeGraphemesAddon } from '@xterm/addon-unicode-graphemes' */

// Combining characters, format characters except the soft hyphen, and the vowels and
// final consonants of Hangul.
const NO_WIDTH = /^(?!\u00ad)[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;

/**
 * How many columns each character takes, as wcwidth(3) has it, because programs place
 * the cursor by that. xterm.js' own table is Unicode 6. Its addon has a newer table, but
 * joins either too much (emoji, which programs don't join) or nothing (not even accents).
 * @implements {IUnicodeVersionProvider}
 */
class Widths {
  version = 'wcwidth';
  #table;
  /** @type {Map<number, boolean>} */
  #isZero = new Map(); // by character

  /** @param {IUnicodeVersionProvider} table */
  constructor(table) {
    this.#table = table;
  }

  /**
   * @param {number} code
   * @returns {0 | 1 | 2}
   */
  wcwidth(code) {
    if (code < 0x300) return code < 0x20 ? 0 : 1;
    let zero = this.#isZero.get(code);
    if (zero === undefined) this.#isZero.set(code, zero = NO_WIDTH.test(String.fromCodePoint(code)));
    // The table has no width for characters that join others, but alone they have one.
    return zero ? 0 : this.#table.wcwidth(code) || 1;
  }

  /**
   * A character's properties, as xterm.js packs them: in bit 0, whether it joins the
   * cell before it; in bits 1 and 2, the cell's width.
   * @param {number} code
   * @param {number} before the properties of the character before
   */
  charProperties(code, before) {
    const width = this.wcwidth(code);
    const cell = before >> 1 & 3;
    return width || !cell ? width << 1 : cell << 1 | 1;
  }
}

/**
 * Makes a terminal take the widths of characters from here.
 * @param {Terminal} terminal
 * @param {UnicodeGraphemesAddon} addon whose table to use
 */
export function setWidths(terminal, addon) {
  const register = (/** @type {IUnicodeVersionProvider} */ table) => {
    if (table.version === '15') terminal.unicode.register(new Widths(table));
  };
  addon.activate(/** @type {Terminal} */ ({ unicode: { register } }));
  terminal.unicode.activeVersion = 'wcwidth';
}
