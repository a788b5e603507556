// @ts-check
/** @import { LogView } from './log.js' */

/**
 * How many lines below the last visible one a log has, not counting those that the filter hides.
 * @param {LogView} log
 */
export function countBelow(log) {
  const { rows, held, bottom } = log;
  const at = bottom ? rows.indexOf(bottom) : -1;
  let count = log.dropped + held.filter((line) => !line.filtered).length;
  for (let i = log.settled - 1; i > at; i--) if (!rows[i].filtered && !rows[i].gap) count++;
  return count;
}

/**
 * How many lines that the filter shows began after a time. The backlog is older than that,
 * however late it arrives.
 * @param {LogView} log
 * @param {number} ms by the server's clock
 */
export function countNew({ rows, held, settled }, ms) {
  let count = held.filter((line) => line.ms > ms && !line.filtered).length;
  for (let i = settled - 1; i >= 0 && !(rows[i].ms && rows[i].ms <= ms); i--) if (rows[i].ms && !rows[i].filtered) count++;
  return count;
}
