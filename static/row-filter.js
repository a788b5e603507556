// @ts-check
/** @import { Block, Filter, Row } from './log.js' */

/**
 * Finds hits, and which rows to hide.
 * @param {Row[]} rows
 * @param {Filter | null} filter
 * @param {number} from the first row that may be new
 * @returns {number} how many of all rows are hits
 */
export function findHits(rows, filter, from) {
  const context = filter?.context ?? 0;
  for (let i = from; i < rows.length; i++) rows[i].hit = filter !== null && filter.test(rows[i].text);
  let hits = 0;
  for (const row of rows) if (row.hit) hits++;
  const only = filter?.only ?? false;
  let shown = -Infinity; // the last row that a hit's context reaches
  const start = Math.max(from - context, 0);
  for (let i = Math.max(start - context, 0); i < start; i++) if (rows[i].hit) shown = i + context;
  for (let i = start, ahead = start; i < rows.length; i++) {
    for (; ahead <= i + context && ahead < rows.length; ahead++) if (rows[ahead].hit) shown = ahead + context;
    rows[i].filtered = only && i > shown;
  }
  return hits;
}

/**
 * Shows and hides rows, and blocks without a row to show.
 * @param {Block[]} blocks
 * @param {Row[]} rows
 * @param {boolean} only whether the filter hides rows
 */
export function hideRows(blocks, rows, only) {
  let at = 0;
  for (const block of blocks) {
    let shown = 0;
    const end = at + block.rows;
    if (only) for (let i = at; i < end; i++) shown += rows[i].filtered ? 0 : 1;
    else shown = block.size;
    // Rows of a block that is hidden as a whole can stay as they are.
    for (let i = shown ? at : end; i < end; i++) {
      const row = rows[i];
      if (row.filtered === row.hidden) continue;
      row.hidden = row.filtered;
      row.element.classList.toggle('out', row.filtered);
    }
    at = end;
    if (shown === block.shown) continue;
    block.shown = shown;
    block.element.hidden = shown === 0;
    block.element.style.setProperty('--shown', String(shown));
  }
}
