// @ts-check
/** @import { IBufferCell, IBufferLine, Terminal } from '@xterm/xterm' */
import { contentWidth } from './cells.js';

// The modes by which a program leaves the alternate screen.
const SCREEN_MODES = [47, 1047, 1049];
// A run that ends later than this after the program left is not over because of that program.
const END_MS = 2000;
// What programs print when they leave is at most this: "[exited]", or what vim says when it is
// killed.
const FAREWELL_LINES = 3;

/**
 * Remembers the last frame of a program that filled the screen, for the end of the run.
 * The frame is shown again only if the program was the last thing to see: if the run ended
 * within END_MS of the program leaving the screen, as far as that time is known, and at most
 * FAREWELL_LINES lines were printed in between. In a shell that goes on, or after a script's summary, the log is
 * shown as always.
 */
export class LastFrame {
  #terminal;
  /** @type {{rows: IBufferLine[], line: number, ms: number} | undefined} ms is 0 if it isn't known */
  #frame;

  /**
   * @param {Terminal} terminal
   * @param {() => {line: number, ms: number}} now the number and time of the line that is being parsed
   * @param {() => Promise<void> | undefined} leaving called when a program leaves the screen,
   *   which it does once the promise is resolved
   */
  constructor(terminal, now, leaving) {
    this.#terminal = terminal;
    terminal.parser.registerCsiHandler({ prefix: '?', final: 'l' }, (modes) => {
      if (!this.#onAlternate || !SCREEN_MODES.some((mode) => modes.includes(mode))) return false; // for xterm.js to do
      this.#keep(now());
      return this.#frame && leaving()?.then(() => false) || false;
    });
  }

  /** Forgets the frame. */
  clear() {
    this.#frame = undefined;
  }

  /**
   * The output that draws the frame again, or undefined if the run's end has another thing to show.
   * @param {number} line the number of the last line
   * @param {number} ms when the run ended
   */
  atEnd(line, ms) {
    const frame = this.#frame;
    if (!frame || this.#onAlternate || line - frame.line > FAREWELL_LINES || frame.ms && ms - frame.ms > END_MS) return undefined;
    const cell = this.#terminal.buffer.active.getNullCell();
    return `\x1b[?1049h\x1b[!p\x1b[?25l\x1b[?7l${frame.rows.map((row, y) => `\x1b[${y + 1}H${draw(row, cell)}`).join('')}`;
  }

  get #onAlternate() {
    return this.#terminal.buffer.active.type === 'alternate';
  }

  /**
   * Keeps the rows of the alternate screen. xterm.js drops them when the program leaves, and
   * never changes them afterwards, so there is nothing to copy.
   * @param {{line: number, ms: number}} now
   */
  #keep(now) {
    const { active } = this.#terminal.buffer;
    const rows = Array.from({ length: this.#terminal.rows }, (_, y) => active.getLine(y)).filter((row) => row !== undefined);
    const cell = active.getNullCell();
    const isBlank = rows.every((row) => !contentWidth(row, cell)); // the program cleared the screen
    this.#frame = isBlank ? undefined : { rows, ...now };
  }
}

/**
 * The output that draws a row at the cursor.
 * @param {IBufferLine} row
 * @param {IBufferCell} cell to read into
 */
function draw(row, cell) {
  let output = '';
  let last = '';
  for (let x = 0; x < row.length; x++) {
    if (!row.getCell(x, cell)?.getWidth()) continue; // the second half of a wide character
    const style = attributes(cell);
    if (style !== last) output += `\x1b[${style}m`;
    output += cell.getChars() || ' ';
    last = style;
  }
  return output;
}

/**
 * A cell's attributes and colours, as SGR has them.
 * @param {IBufferCell} cell
 */
function attributes(cell) {
  const flags = [
    cell.isBold(), cell.isDim(), cell.isItalic(), cell.isUnderline(), cell.isBlink(), 0, cell.isInverse(), cell.isInvisible(), cell.isStrikethrough(),
  ];
  const set = flags.flatMap((on, i) => (on ? [i + 1] : []));
  return [0, ...set, ...colour(38, cell.isFgDefault(), cell.isFgRGB(), cell.getFgColor()), ...colour(48, cell.isBgDefault(), cell.isBgRGB(), cell.getBgColor())].join(';');
}

/**
 * @param {38 | 48} layer the text or its background
 * @param {boolean} isDefault
 * @param {boolean} isRGB
 * @param {number} value
 */
function colour(layer, isDefault, isRGB, value) {
  if (isDefault) return [];
  return isRGB ? [layer, 2, value >> 16, value >> 8 & 255, value & 255] : [layer, 5, value];
}
