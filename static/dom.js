// @ts-check
/**
 * The page's element of the given id.
 * @param {string} id
 */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** The same, of an input. @param {string} id */
export const input = (id) => /** @type {HTMLInputElement} */ ($(id));

/** The same, of a dialog. @param {string} id */
export const dialog = (id) => /** @type {HTMLDialogElement} */ ($(id));

/** A number for people. */
export const number = new Intl.NumberFormat('en');

/** @param {string} words that concern all of the page; empty: nothing to say */
export function notice(words) {
  $('notice').textContent = words;
  $('notice').hidden = !words;
}
