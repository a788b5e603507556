// @ts-check
/** @import { IBufferCell, IBufferLine } from '@xterm/xterm' */
import { styleOf } from './style.js';

const SPACE = 32;

/**
 * @typedef {object} Run consecutive characters with the same style and link
 * @property {string} text
 * @property {string} style as styleOf (style.js) returns it; empty for none
 * @property {string} link empty for none
 *
 * @typedef {{from: number, to: number, link: string}} LinkRange columns of a row that are a hyperlink
 */

// The functions below take a cell to read into, since creating one for each would be slow.

/**
 * How many columns of a row there are up to the last that shows something.
 * @param {IBufferLine | undefined} row
 * @param {IBufferCell} into
 */
export function contentWidth(row, into) {
  if (!row) return 0;
  let x = row.length;
  for (; x > 0; x--) {
    const cell = row.getCell(x - 1, into);
    if (!cell) continue;
    const code = cell.getCode();
    if (code !== 0 && code !== SPACE || cell.getWidth() === 0) break;
    if (!cell.isAttributeDefault() && (!cell.isBgDefault() || cell.isInverse() || code === SPACE && cell.isUnderline())) break;
  }
  return x;
}

/**
 * How many columns of text a wrapped row has: all but the last if a wide character
 * didn't fit there.
 * @param {IBufferLine} row
 * @param {IBufferLine} next the row that continues it
 * @param {IBufferCell} into
 */
export function wrappedWidth(row, next, into) {
  const last = row.getCell(row.length - 1, into);
  const empty = last?.getCode() === 0 && last.getWidth() === 1;
  const wide = next.getCell(0, into)?.getWidth() === 2;
  return empty && wide ? row.length - 1 : row.length;
}

/**
 * Appends the runs of a row's first columns.
 * @param {Run[]} runs
 * @param {IBufferLine} row
 * @param {number} width
 * @param {LinkRange[] | undefined} links
 * @param {IBufferCell} into
 */
export function appendRuns(runs, row, width, links, into) {
  let from = 0;
  let style = '';
  let link = '';
  /** @param {number} to */
  const append = (to) => {
    if (to === from) return;
    const text = row.translateToString(false, from, to);
    const last = runs.at(-1);
    if (last && last.style === style && last.link === link) last.text += text;
    else runs.push({ text, style, link });
    from = to;
  };
  for (let x = 0; x < width; x++) {
    const cell = row.getCell(x, into);
    if (!cell || cell.getWidth() === 0) continue;
    const cellStyle = cell.isAttributeDefault() ? '' : styleOf(cell);
    // Where text was written over a link, the link's underline is gone.
    const cellLink = links && cell.isUnderline() ? links.find((l) => x >= l.from && x < l.to)?.link ?? '' : '';
    if (cellStyle === style && cellLink === link) continue;
    append(x);
    [style, link] = [cellStyle, cellLink];
  }
  append(width);
}
