// @ts-check
/** @typedef {{path: string, link: string, size: number, modified: string}} File */

/**
 * A folder is as new as the newest file below it.
 * @typedef {object} Folder
 * @property {string} path with a slash at its end
 * @property {string} name the end of path, as it is shown
 * @property {number} count of all files below it
 * @property {string} modified
 * @property {Entry[]} entries newest first
 */
/** @typedef {File | Folder} Entry */

/** The folder of a file or folder, with a slash at its end. @param {string} path */
export const above = (path) => path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);

/** Whether the files are in more than one folder. @param {File[]} files */
export const spread = (files) => files.some((f) => above(f.path) !== above(files[0].path));

/**
 * Sorts files into folders. A folder with nothing in it but another is shown as one
 * with that.
 * @param {File[]} files newest first
 * @returns {Entry[]} newest first
 */
export function tree(files) {
  /** @type {Folder} */
  const root = { path: '/', name: '', count: 0, modified: '', entries: [] };
  const folders = new Map([['/', root]]);
  /** @type {(path: string, modified: string) => Folder} */
  const folder = (path, modified) => {
    let it = folders.get(path);
    if (!it) {
      it = { path, name: '', count: 0, modified, entries: [] };
      folders.set(path, it);
      folder(above(path), modified).entries.push(it); // its newest file comes first, so it is in its place
    }
    return it;
  };
  for (const file of files) folder(above(file.path), file.modified).entries.push(file);
  root.entries = root.entries.map((e) => settle(e, ''));
  return root.entries;
}

/**
 * Names and counts what is in a folder, and below.
 * @param {Entry} entry
 * @param {string} shown the path of the folder that it is shown in
 * @returns {Entry}
 */
function settle(entry, shown) {
  if (!('entries' in entry)) return entry;
  let it = entry;
  for (let [only] = it.entries; it.entries.length === 1 && 'entries' in only; [only] = it.entries) it = only;
  it.name = it.path.slice(shown.length);
  it.entries = it.entries.map((e) => settle(e, it.path));
  it.count = it.entries.reduce((n, e) => n + ('entries' in e ? e.count : 1), 0);
  return it;
}
