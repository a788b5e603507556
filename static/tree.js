// @ts-check
/** @typedef {{path: string, link: string, size: number, modified: string}} File */

/**
 * A folder is as new as the newest file below it.
 * @typedef {object} Folder
 * @property {string} path with a slash at its end
 * @property {string} name the end of the path, as the page shows it
 * @property {number} count of all files below it
 * @property {string} modified
 * @property {Entry[]} entries newest first
 */
/** @typedef {File | Folder} Entry */

/** The path of the folder that a file or folder is in. @param {string} path */
export const parentOf = (path) => path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);

/** Reports whether files are in more than one folder. @param {File[]} files */
export const inSeveralFolders = (files) => files.some((f) => parentOf(f.path) !== parentOf(files[0].path));

/**
 * Sorts files into folders. A folder that holds just one other folder becomes one with it.
 * @param {File[]} files newest first
 * @returns {Entry[]} newest first
 */
export function tree(files) {
  /** @type {Folder} */
  const root = { path: '/', name: '', count: 0, modified: '', entries: [] };
  const folders = new Map([['/', root]]);
  /** @type {(path: string, modified: string) => Folder} */
  const folder = (path, modified) => {
    let found = folders.get(path);
    if (!found) {
      found = { path, name: '', count: 0, modified, entries: [] };
      folders.set(path, found);
      folder(parentOf(path), modified).entries.push(found); // in its place, since the newest file comes first
    }
    return found;
  };
  for (const file of files) folder(parentOf(file.path), file.modified).entries.push(file);
  root.entries = root.entries.map((e) => nameFolders(e, ''));
  return root.entries;
}

/**
 * Names a folder and all folders in it, and counts their files.
 * @param {Entry} entry
 * @param {string} shownIn the path of the folder that shows the entry
 * @returns {Entry}
 */
function nameFolders(entry, shownIn) {
  if (!('entries' in entry)) return entry;
  let folder = entry;
  for (let [only] = folder.entries; folder.entries.length === 1 && 'entries' in only; [only] = folder.entries) folder = only;
  folder.name = folder.path.slice(shownIn.length);
  folder.entries = folder.entries.map((e) => nameFolders(e, folder.path));
  folder.count = folder.entries.reduce((n, e) => n + ('entries' in e ? e.count : 1), 0);
  return folder;
}
