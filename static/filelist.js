// @ts-check
/** @import { Entry, Folder } from './tree.js' */
import { base, number } from './dom.js';
import { above } from './tree.js';

const FRESH_MS = 60_000;
// How many rows a folder shows at first. Browsers take seconds to lay out 10,000.
const MOST = 200;

/**
 * The row of a file or folder: what takes the focus in it, and the texts it shows.
 * @typedef {{item: HTMLLIElement, handle: HTMLElement, name: Text, dir: Text, size: Text, time: Text, list?: HTMLUListElement}} Row
 */

/** @param {number} ms since something happened */
function ago(ms) {
  const s = Math.max(Math.round(ms / 1000), 0);
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.round(s / 60)} min ago`;
  if (s < 86_400) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86_400)} d ago`;
}

/** @param {number} bytes */
function size(bytes) {
  let unit = 0;
  for (; bytes >= 1000 && unit < 4; unit++) bytes /= 1024;
  return `${unit ? bytes.toFixed(1) : bytes} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

/** How many files, in words. @param {number} n */
export const count = (n) => `${number.format(n)} ${n === 1 ? 'file' : 'files'}`;

/**
 * Files and folders as rows. What is in a folder has rows only while it is open, and
 * what is far below the others not before one scrolls there.
 */
export class FileList {
  #list;
  #scroller;
  /** @type {Map<string, Row>} the rows made so far, by path */
  #rows = new Map();
  /** @type {Map<string, boolean>} whether folders are open; of those that were never, nothing */
  #folders = new Map();
  /** @type {Map<string, number>} how many rows a folder shows, or all of it ('') */
  #most = new Map();
  /** @type {Map<string, {item: HTMLLIElement, words: Text}>} the items that stand for what it does not show */
  #rests = new Map();
  #nearing;
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Set<Element>} the items that were put elsewhere since show began */
  #moved = new Set();
  /** @type {Set<string>} the folders that hold an open one */
  #holders = new Set();
  #now = 0;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} scroller what it is scrolled in
   */
  constructor(list, scroller) {
    this.#list = list;
    this.#scroller = scroller;
    this.#nearing = new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) if (isIntersecting) this.#more(/** @type {HTMLElement} */ (target).dataset.of ?? '');
    }, { root: scroller, rootMargin: '1000px' });
    list.addEventListener('click', (e) => {
      const target = /** @type {Element} */ (e.target);
      const summary = target.closest('summary');
      const rest = /** @type {HTMLElement | null} */ (target.closest('.rest'));
      if (rest) this.#more(rest.dataset.of ?? '');
      if (!summary) return;
      e.preventDefault(); // the browser would open it before there is something in it
      this.toggle(summary);
    });
  }

  /** Which folders are open, and how far they are shown, for a later visit. @returns {{folders: [string, boolean][], most: [string, number][]}} */
  get state() { return { folders: [...this.#folders], most: [...this.#most] }; }
  set state({ folders, most }) {
    this.#folders = new Map(folders);
    this.#most = new Map(most);
  }

  /** What can have the focus, from the top. @returns {HTMLElement[]} */
  get handles() { return [...this.#list.querySelectorAll(/** @type {'a'} */ ('a, summary, button'))]; }

  /** The path of the row with the focus. @returns {string | undefined} */
  get focused() {
    const at = document.activeElement;
    return at && this.#list.contains(at) ? /** @type {HTMLElement} */ (at).dataset.path : undefined;
  }

  /** Gives a row the focus, and tells whether there is one. @param {string} path */
  focus(path) {
    const handle = this.#rows.get(path)?.handle;
    if (!handle?.isConnected) return false;
    handle.focus();
    return true;
  }

  /**
   * Shows these and nothing else. The focus stays, and what is looked at stays in its
   * place, unless that is the top.
   * @param {Entry[]} entries
   */
  show(entries) {
    this.#entries = entries;
    this.#now = Date.now();
    this.#moved.clear();
    this.#holders.clear();
    for (const [path, open] of this.#folders) {
      for (let p = above(path); open && p.length > 1; p = above(p)) this.#holders.add(p);
    }
    const focused = this.focused;
    const seen = this.#scroller.scrollTop > 0 ? this.#seen() : [];
    this.#fill(this.#list, '', entries, 1);
    const still = seen.find(([handle]) => handle.isConnected && !this.#wasMoved(handle));
    if (still) this.#scroller.scrollTop += still[0].getBoundingClientRect().top - still[1];
    if (focused && this.focused !== focused) this.#rows.get(focused)?.handle.focus({ preventScroll: true });
  }

  /** Shows others, from their first on. @param {Entry[]} entries */
  begin(entries) {
    this.#most.delete('');
    this.#scroller.scrollTop = 0;
    this.show(entries);
  }

  /** Forgets the rows of all other files. @param {Set<string>} paths */
  keepOnly(paths) {
    for (const path of this.#rows.keys()) if (!path.endsWith('/') && !paths.has(path)) this.#rows.delete(path);
  }

  /**
   * Opens or closes a folder.
   * @param {HTMLElement} summary
   * @param {boolean} [open] the other of what it is if left out
   */
  toggle(summary, open = !this.#folders.get(summary.dataset.path ?? '')) {
    this.#folders.set(summary.dataset.path ?? '', open);
    this.show(this.#entries);
  }

  /** Whether a folder's row is open; undefined for a file's. @param {HTMLElement} handle */
  isOpen(handle) {
    return handle.parentElement instanceof HTMLDetailsElement ? handle.parentElement.open : undefined;
  }

  /** The row of the folder that a row is in. @param {HTMLElement} handle @returns {HTMLElement | null | undefined} */
  parent(handle) {
    return handle.closest('li')?.parentElement?.closest('details')?.querySelector('summary');
  }

  /** The rows in view and where they are, first the one with the focus. @returns {[HTMLElement, number][]} */
  #seen() {
    const { left, top, bottom, width } = this.#scroller.getBoundingClientRect();
    /** @type {Set<Element | null | undefined>} */
    const handles = new Set([document.activeElement]);
    for (let y = top + 1; y < bottom; y += 20) handles.add(document.elementFromPoint(left + width / 2, y)?.closest('a, summary'));
    /** @type {[HTMLElement, number][]} */
    const seen = [];
    for (const handle of handles) {
      if (!(handle instanceof HTMLElement) || !this.#list.contains(handle)) continue;
      const at = handle.getBoundingClientRect();
      if (at.bottom > top && at.top < bottom) seen.push([handle, at.top]);
    }
    return seen;
  }

  /** @param {Element | null} element */
  #wasMoved(element) {
    for (; element && element !== this.#list; element = element.parentElement) if (this.#moved.has(element)) return true;
    return false;
  }

  /**
   * @param {HTMLElement} list
   * @param {string} path whose entries they are
   * @param {Entry[]} entries
   * @param {number} level
   */
  #fill(list, path, entries, level) {
    const most = this.#most.get(path) ?? MOST;
    const items = entries.slice(0, most).map((e) => this.#row(e, level).item);
    if (entries.length > most) items.push(this.#rest(path, entries.length - most));
    const wanted = new Set(items);
    for (let item = list.firstElementChild; item;) {
      const next = item.nextElementSibling;
      if (!wanted.has(/** @type {HTMLLIElement} */ (item))) item.remove();
      item = next;
    }
    let at = list.firstElementChild;
    for (const item of items) {
      if (at && at !== item && at.nextElementSibling === item) { // at belongs further down
        this.#moved.add(at);
        at.remove();
        at = item;
      }
      if (at === item) {
        at = at.nextElementSibling;
      } else {
        this.#moved.add(item);
        list.insertBefore(item, at);
      }
    }
  }

  /**
   * A file's or folder's row as it is now.
   * @param {Entry} entry
   * @param {number} level
   */
  #row(entry, level) {
    const { path, modified } = entry;
    let row = this.#rows.get(path);
    if (!row) this.#rows.set(path, row = 'entries' in entry ? folderRow(path) : fileRow(entry));
    const age = this.#now - Date.parse(modified);
    set(row.time, ago(age));
    row.handle.classList.toggle('fresh', age < FRESH_MS);
    if (!('entries' in entry)) {
      set(row.size, size(entry.size));
      return row;
    }
    set(row.name, entry.name);
    set(row.size, count(entry.count));
    this.#fillFolder(/** @type {HTMLUListElement} */ (row.list), entry, level);
    return row;
  }

  /**
   * @param {HTMLUListElement} list
   * @param {Folder} folder
   * @param {number} level
   */
  #fillFolder(list, { path, entries }, level) {
    let open = this.#folders.get(path);
    if (open === undefined) {
      // One that was shown as a part of another's row until now hides nothing.
      open = level === 1 || this.#holders.has(path);
      if (open) this.#folders.set(path, open);
    }
    /** @type {HTMLDetailsElement} */ (list.parentElement).open = open;
    this.#fill(list, path, open ? entries : [], level + 1);
  }

  /**
   * The item that stands for what is not shown.
   * @param {string} path
   * @param {number} left
   */
  #rest(path, left) {
    let rest = this.#rests.get(path);
    if (!rest) {
      const item = document.createElement('li');
      item.className = 'rest';
      item.dataset.of = path;
      const words = item.appendChild(document.createElement('button')).appendChild(document.createTextNode(''));
      this.#rests.set(path, rest = { item, words });
      this.#nearing.observe(item);
    }
    set(rest.words, `${number.format(left)} more`);
    return rest.item;
  }

  /** @param {string} path of the folder of which more is wanted */
  #more(path) {
    const item = this.#rests.get(path)?.item;
    if (!item?.isConnected) return;
    const at = item.contains(document.activeElement) ? this.handles.indexOf(/** @type {HTMLElement} */ (item.firstElementChild)) : -1;
    this.#most.set(path, 2 * (this.#most.get(path) ?? MOST));
    this.show(this.#entries);
    if (at >= 0) this.handles[at]?.focus({ preventScroll: true });
    this.#nearing.unobserve(item); // it may still be near, of which it would not tell again
    this.#nearing.observe(item);
  }
}

/** @param {Text} text @param {string} words */
function set(text, words) {
  if (text.data !== words) text.data = words;
}

/**
 * Gives a handle its texts.
 * @param {HTMLElement} handle
 * @param {string} path
 */
function texts(handle, path) {
  handle.dataset.path = path;
  const [name, dir, size, time] = ['name', 'dir', 'size', 'time'].map((kind) => {
    const part = document.createElement('span');
    part.className = kind;
    handle.append(part);
    return part.appendChild(document.createTextNode(''));
  });
  return { name, dir, size, time };
}

/** @param {import('./tree.js').File} file @returns {Row} */
function fileRow({ path, link }) {
  const item = document.createElement('li');
  const handle = item.appendChild(document.createElement('a'));
  handle.href = base + link.slice('./'.length);
  const row = { item, handle, ...texts(handle, path) };
  row.dir.data = above(path);
  row.name.data = path.slice(row.dir.length);
  return row;
}

/** @param {string} path @returns {Row} */
function folderRow(path) {
  const item = document.createElement('li');
  const details = item.appendChild(document.createElement('details'));
  const handle = details.appendChild(document.createElement('summary'));
  return { item, handle, ...texts(handle, path), list: details.appendChild(document.createElement('ul')) };
}
