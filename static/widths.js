// @ts-check
/** @import { IUnicodeVersionProvider, Terminal } from '@xterm/xterm' */
/** @import { UnicodeGraphemesAddon } from '@xterm/addon-unicode-graphemes' */

// Marks that combine, characters that only format but for the soft hyphen, and the
// vowels and finals of Hangul.
const NO_WIDTH = /^(?!\u00ad)[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;

/**
 * How many columns each character takes: what wcwidth(3) says, for by that programs
 * place the cursor. xterm.js' own table is of Unicode 6. Its addon has a newer one, but
 * either joins what programs don't, as emoji, or nothing, not even an accent.
 * @implements {IUnicodeVersionProvider}
 */
class Widths {
  version = 'wcwidth';
  #table;
  /** @type {Map<number, boolean>} */
  #none = new Map();

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
    let none = this.#none.get(code);
    if (none === undefined) this.#none.set(code, none = NO_WIDTH.test(String.fromCodePoint(code)));
    // The table is one of joins as well: alone, a character has a width.
    return none ? 0 : this.#table.wcwidth(code) || 1;
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
 * @param {Terminal} terminal
 * @param {UnicodeGraphemesAddon} addon whose table is used
 */
export function setWidths(terminal, addon) {
  const register = (/** @type {IUnicodeVersionProvider} */ table) => {
    if (table.version === '15') terminal.unicode.register(new Widths(table));
  };
  addon.activate(/** @type {any} */ ({ unicode: { register } }));
  terminal.unicode.activeVersion = 'wcwidth';
}
