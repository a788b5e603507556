// @ts-check
const KEY = 'wsrun';

/** @typedef {{theme?: string, font?: number, wrap?: boolean, times?: string, notify?: boolean, files?: 'tree' | 'list'}} Prefs */

/**
 * The reader's preferences, which the browser keeps.
 * @returns {Prefs}
 */
export function prefs() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') ?? {};
  } catch {
    return {};
  }
}

/** Saves preferences; the others stay. @param {Prefs} changes */
export function savePrefs(changes) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...prefs(), ...changes }));
  } catch { /* no storage: for this visit only */ }
}
