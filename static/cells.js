// @ts-check
/** @import { IBufferCell, IBufferLine } from '@xterm/xterm' */
/** @import { Tab } from './tabs.js' */
import { styleOf } from './style.js';
import { isUsual } from './tabs.js';

const SPACE = 32;

/**
 * @typedef {object} Run consecutive characters with the same style and link
 * @property {string} text
 * @property {string} style as styleOf (style.js) returns it; empty for none
 * @property {string} link empty for none
 * @property {number} [columns] how wide the text is, a tab of unusual width
 *
 * @typedef {{from: number, to: number, link: string}} LinkRange columns of a row that are a hyperlink
 *
 * @typedef {object} RowContent what a row's cells don't say
 * @property {number} width how many columns have text
 * @property {LinkRange[] | undefined} links
 * @property {Tab[]} tabs
 * @property {number} before columns of the line in rows before
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
 * @param {RowContent} content
 * @param {IBufferCell} into
 */
export function appendRuns(runs, row, { width, links, tabs, before }, into) {
  let from = 0;
  let style = '';
  let link = '';
  let nextTab = 0;
  /** @param {number} to @param {Run} [run] what these columns are, if not the row's text */
  const append = (to, run = { text: row.translateToString(false, from, to), style, link }) => {
    if (to === from) return;
    const last = runs.at(-1);
    if (last && last.style === run.style && last.link === run.link && !last.columns && !run.columns) last.text += run.text;
    else runs.push(run);
    from = to;
  };
  for (let x = 0; x < width; x++) {
    const tab = tabs[nextTab];
    if (tab?.from === x) {
      append(x);
      [style, link] = ['', ''];
      append(tab.to, { text: '\t', style, link, ...(isUsual(tab, before) ? {} : { columns: tab.to - tab.from }) });
      nextTab++;
      x = tab.to - 1;
      continue;
    }
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
