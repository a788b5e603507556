// @ts-check
/** The page's element with an id. @param {string} id */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** The page's input with an id. @param {string} id */
export const input = (id) => /** @type {HTMLInputElement} */ ($(id));

/** The page's dialog with an id. @param {string} id */
export const dialog = (id) => /** @type {HTMLDialogElement} */ ($(id));

/** The path from this page to the server's root. */
export const base = document.querySelector('meta[name=base]')?.getAttribute('content') ?? './';

/** Formats numbers for people. */
export const number = new Intl.NumberFormat('en');

/** A title as the name of a file. @param {string} title */
export const fileName = (title) => title.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|-+$/g, '').slice(0, 60) || 'wsrun';

/** Names the page's downloads after a title. @param {string} title */
export function nameDownloads(title) {
  for (const [kind, end] of [['text', 'txt'], ['raw', 'ansi']]) {
    for (const link of document.querySelectorAll(`.get-${kind}`)) link.setAttribute('download', `${fileName(title)}.${end}`);
  }
}

/** Shows a notice above the output. @param {string} words empty to hide it */
export function notice(words) {
  $('notice').textContent = words;
  $('notice').hidden = !words;
}

/**
 * Loads a part of the page that is not needed at first. If that fails, a notice says so.
 * @template T
 * @param {() => Promise<T>} part
 * @returns {Promise<T | void>}
 */
export function load(part) {
  return part().catch(() => notice('This part of the page could not be loaded: wsrun does not answer.'));
}
