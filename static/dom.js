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

/** The path to the server's root from here. */
export const base = document.querySelector('meta[name=base]')?.getAttribute('content') ?? './';

/** A number for people. */
export const number = new Intl.NumberFormat('en');

/** @param {string} title */
export const fileName = (title) => title.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|-+$/g, '').slice(0, 60) || 'wsrun';

/** @param {string} title by which downloads are named */
export function nameDownloads(title) {
  for (const [kind, end] of [['text', 'txt'], ['raw', 'ansi']]) {
    for (const link of document.querySelectorAll(`.get-${kind}`)) link.setAttribute('download', `${fileName(title)}.${end}`);
  }
}

/** @param {string} words that concern all of the page; empty: nothing to say */
export function notice(words) {
  $('notice').textContent = words;
  $('notice').hidden = !words;
}
