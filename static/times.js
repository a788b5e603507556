// @ts-check
/** @import { Row } from './log.js' */

export const MODES = ['off', 'local', 'UTC', 'since start', 'since previous line'];

/** @param {number} n @param {number} [digits] */
const pad = (n, digits = 2) => String(n).padStart(digits, '0');

/**
 * A short duration for people.
 * @param {number} ms
 */
export function duration(ms) {
  const s = Math.max(Math.round(ms / 1000), 0);
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  return d ? `${d}d ${h}h` : h ? `${h}h ${m}m` : m ? `${m}m ${s % 60}s` : ms < 9950 ? `${(Math.max(ms, 0) / 1000).toFixed(1)}s` : `${s}s`;
}

/** @param {number} ms with thousandths of a second */
const exact = (ms) => `${ms < 0 ? '-' : '+'}${Math.floor(Math.abs(ms) / 1000)}.${pad(Math.abs(ms) % 1000, 3)}`;

/**
 * What to show beside a line, in the given mode; null for nothing.
 * @param {string} mode one of MODES
 * @param {number} started when the run began, in milliseconds since 1970
 * @returns {((row: Row, before: Row | undefined) => string) | null}
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
      return ({ ms }) => exact(ms - started);
    case 'since previous line':
      return ({ ms }, before) => (before?.ms ? exact(ms - before.ms) : '');
    default:
      return null;
  }
}
