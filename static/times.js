// @ts-check
/** @import { TimeFormat } from './log.js' */

export const MODES = ['off', 'local', 'UTC', 'since start', 'since previous line'];

/** A number with leading zeros. @param {number} n @param {number} [digits] */
const pad = (n, digits = 2) => String(n).padStart(digits, '0');

/**
 * A duration for people, in its two largest units.
 * @param {number} ms
 */
export function duration(ms) {
  const s = Math.max(Math.round(ms / 1000), 0);
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d) return `${d}d ${h}h`;
  if (h) return `${h}h ${m}m`;
  if (m) return `${m}m ${s % 60}s`;
  return ms < 9950 ? `${(Math.max(ms, 0) / 1000).toFixed(1)}s` : `${s}s`;
}

/** A duration in seconds, to the millisecond. @param {number} ms */
const seconds = (ms) => `${ms < 0 ? '-' : '+'}${Math.floor(Math.abs(ms) / 1000)}.${pad(Math.abs(ms) % 1000, 3)}`;

/**
 * How to show a line's time in a mode; null not to.
 * @param {string} mode one of MODES
 * @param {number} started when the run began, in milliseconds since 1970
 * @returns {TimeFormat | null}
 */
export function format(mode, started) {
  switch (mode) {
    case 'local':
      return ({ ms }) => {
        const t = new Date(ms);
        return `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}.${pad(t.getMilliseconds(), 3)}`;
      };
    case 'UTC':
      return ({ ms }) => new Date(ms).toISOString().slice(11, 23);
    case 'since start':
      return ({ ms }) => seconds(ms - started);
    case 'since previous line':
      return ({ ms }, before) => (before?.ms ? seconds(ms - before.ms) : '');
    default:
      return null;
  }
}
