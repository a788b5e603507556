// @ts-check
/** @import { Entry, File, Folder } from './tree.js' */
import { base, number } from './dom.js';
import { parentOf } from './tree.js';

const FRESH_MS = 60_000;
// How many rows a folder shows at first: browsers take seconds to lay out 10,000.
const FIRST_ROWS = 200;

/**
 * @typedef {object} Row of a file or folder
 * @property {HTMLLIElement} item
 * @property {HTMLElement} handle what takes the focus
 * @property {Text} name the texts that the row shows
 * @property {Text} dir
 * @property {Text} size
 * @property {Text} time
 * @property {HTMLUListElement} [list] a folder's entries
 */

/** How long ago something happened, for people. @param {number} ms */
function ago(ms) {
  const s = Math.max(Math.round(ms / 1000), 0);
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.round(s / 60)} min ago`;
  if (s < 86_400) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86_400)} d ago`;
}

/** A size for people. @param {number} bytes */
function formatSize(bytes) {
  let unit = 0;
  for (; bytes >= 1000 && unit < 4; unit++) bytes /= 1024;
  return `${unit ? bytes.toFixed(1) : bytes} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

/** A number of files, for people. @param {number} n */
export const count = (n) => `${number.format(n)} ${n === 1 ? 'file' : 'files'}`;

/**
 * Files and folders as rows. A folder's entries have rows only while the folder is open,
 * and entries far down only once the reader scrolls there.
 */
export class FileList {
  #list;
  #scroller;
  /** @type {Map<string, Row>} the rows made so far, by path */
  #rows = new Map();
  /** @type {Map<string, boolean>} whether a folder is open; nothing for one that was never shown */
  #folders = new Map();
  /** @type {Map<string, number>} how many rows a folder shows, or the whole list ('') */
  #limits = new Map();
  /** @type {Map<string, {item: HTMLLIElement, words: Text}>} the items that stand for rows not shown, by folder */
  #remainders = new Map();
  #observer;
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Set<Element>} the items that moved since show began */
  #moved = new Set();
  /** @type {Set<string>} the folders that have an open one in them */
  #holders = new Set();
  #now = 0;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} scroller the element that scrolls the list
   */
  constructor(list, scroller) {
    this.#list = list;
    this.#scroller = scroller;
    this.#observer = new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) if (isIntersecting) this.#showMore(/** @type {HTMLElement} */ (target).dataset.of ?? '');
    }, { root: scroller, rootMargin: '1000px' });
    list.addEventListener('click', (e) => {
      const target = /** @type {Element} */ (e.target);
      const summary = target.closest('summary');
      const rest = /** @type {HTMLElement | null} */ (target.closest('.rest'));
      if (rest) this.#showMore(rest.dataset.of ?? '');
      if (!summary) return;
      e.preventDefault(); // the browser would open the folder while it is still empty
      this.toggle(summary);
    });
  }

  /**
   * Which folders are open, and how many rows they show, to restore on the next visit.
   * @returns {{folders: [string, boolean][], most: [string, number][]}}
   */
  get state() { return { folders: [...this.#folders], most: [...this.#limits] }; }
  set state({ folders, most }) {
    this.#folders = new Map(folders);
    this.#limits = new Map(most);
  }

  /** The elements that can have the focus, from the top. @returns {HTMLElement[]} */
  get handles() { return [...this.#list.querySelectorAll(/** @type {'a'} */ ('a, summary, button'))]; }

  /** The path of the row that has the focus. @returns {string | undefined} */
  get focused() {
    const at = document.activeElement;
    return at && this.#list.contains(at) ? /** @type {HTMLElement} */ (at).dataset.path : undefined;
  }

  /** Gives a row the focus, and reports whether there is such a row. @param {string} path */
  focus(path) {
    const handle = this.#rows.get(path)?.handle;
    if (!handle?.isConnected) return false;
    handle.focus();
    return true;
  }

  /**
   * Shows these entries and no others. The focus stays, and so does the place of what the
   * reader looks at, except at the top.
   * @param {Entry[]} entries
   */
  show(entries) {
    this.#entries = entries;
    this.#now = Date.now();
    this.#moved.clear();
    this.#holders.clear();
    for (const [path, open] of this.#folders) {
      for (let p = parentOf(path); open && p.length > 1; p = parentOf(p)) this.#holders.add(p);
    }
    const focused = this.focused;
    const seen = this.#scroller.scrollTop > 0 ? this.#visibleRows() : [];
    this.#fill(this.#list, '', entries, 1);
    const still = seen.find(([handle]) => handle.isConnected && !this.#wasMoved(handle));
    if (still) this.#scroller.scrollTop += still[0].getBoundingClientRect().top - still[1];
    if (focused && this.focused !== focused) this.#rows.get(focused)?.handle.focus({ preventScroll: true });
  }

  /** Shows other entries, from the top. @param {Entry[]} entries */
  begin(entries) {
    this.#limits.delete('');
    this.#scroller.scrollTop = 0;
    this.show(entries);
  }

  /** Forgets the rows of all files but these. @param {Set<string>} paths */
  keepOnly(paths) {
    for (const path of this.#rows.keys()) if (!path.endsWith('/') && !paths.has(path)) this.#rows.delete(path);
  }

  /**
   * Opens or closes a folder.
   * @param {HTMLElement} summary
   * @param {boolean} [open] toggles if left out
   */
  toggle(summary, open = !this.#folders.get(summary.dataset.path ?? '')) {
    this.#folders.set(summary.dataset.path ?? '', open);
    this.show(this.#entries);
  }

  /** Reports whether a folder's row is open; undefined for a file's. @param {HTMLElement} handle */
  isOpen(handle) {
    return handle.parentElement instanceof HTMLDetailsElement ? handle.parentElement.open : undefined;
  }

  /**
   * The row of the folder that a row is in.
   * @param {HTMLElement} handle
   * @returns {HTMLElement | null | undefined}
   */
  parent(handle) {
    return handle.closest('li')?.parentElement?.closest('details')?.querySelector('summary');
  }

  /**
   * The visible rows and how far down they are; first the row that has the focus.
   * @returns {[HTMLElement, number][]}
   */
  #visibleRows() {
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

  /** Reports whether an element moved, or one that it is in. @param {Element | null} element */
  #wasMoved(element) {
    for (; element && element !== this.#list; element = element.parentElement) if (this.#moved.has(element)) return true;
    return false;
  }

  /**
   * Makes a list show entries, moving as few items as possible.
   * @param {HTMLElement} list
   * @param {string} path the folder's
   * @param {Entry[]} entries
   * @param {number} level
   */
  #fill(list, path, entries, level) {
    const limit = this.#limits.get(path) ?? FIRST_ROWS;
    const items = entries.slice(0, limit).map((e) => this.#row(e, level).item);
    if (entries.length > limit) items.push(this.#remainder(path, entries.length - limit));
    const wanted = new Set(items);
    for (let item = list.firstElementChild; item;) {
      const next = item.nextElementSibling;
      if (!wanted.has(/** @type {HTMLLIElement} */ (item))) item.remove();
      item = next;
    }
    let at = list.firstElementChild;
    for (const item of items) {
      if (at && at !== item && at.nextElementSibling === item) { // at belongs below item
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
   * A file's or folder's row, up to date.
   * @param {Entry} entry
   * @param {number} level
   */
  #row(entry, level) {
    const { path, modified } = entry;
    let row = this.#rows.get(path);
    if (!row) this.#rows.set(path, row = 'entries' in entry ? folderRow(path) : fileRow(entry));
    const age = this.#now - Date.parse(modified);
    setText(row.time, ago(age));
    row.handle.classList.toggle('fresh', age < FRESH_MS);
    if (!('entries' in entry)) {
      setText(row.size, formatSize(entry.size));
      return row;
    }
    setText(row.name, entry.name);
    setText(row.size, count(entry.count));
    this.#fillFolder(/** @type {HTMLUListElement} */ (row.list), entry, level);
    return row;
  }

  /**
   * Makes a folder's list show its entries, if the folder is open.
   * @param {HTMLUListElement} list
   * @param {Folder} folder
   * @param {number} level
   */
  #fillFolder(list, { path, entries }, level) {
    let open = this.#folders.get(path);
    if (open === undefined) {
      // A folder that was a part of another's row until now must not hide its entries.
      open = level === 1 || this.#holders.has(path);
      if (open) this.#folders.set(path, open);
    }
    /** @type {HTMLDetailsElement} */ (list.parentElement).open = open;
    this.#fill(list, path, open ? entries : [], level + 1);
  }

  /**
   * The item that stands for a folder's rows not shown.
   * @param {string} path
   * @param {number} left how many they are
   */
  #remainder(path, left) {
    let remainder = this.#remainders.get(path);
    if (!remainder) {
      const item = document.createElement('li');
      item.className = 'rest';
      item.dataset.of = path;
      const words = item.appendChild(document.createElement('button')).appendChild(document.createTextNode(''));
      this.#remainders.set(path, remainder = { item, words });
      this.#observer.observe(item);
    }
    setText(remainder.words, `${number.format(left)} more`);
    return remainder.item;
  }

  /** Shows more rows of a folder. @param {string} path */
  #showMore(path) {
    const item = this.#remainders.get(path)?.item;
    if (!item?.isConnected) return;
    const at = item.contains(document.activeElement) ? this.handles.indexOf(/** @type {HTMLElement} */ (item.firstElementChild)) : -1;
    this.#limits.set(path, 2 * (this.#limits.get(path) ?? FIRST_ROWS));
    this.show(this.#entries);
    if (at >= 0) this.handles[at]?.focus({ preventScroll: true });
    this.#observer.unobserve(item); // the item may still be near, which the observer would not report again
    this.#observer.observe(item);
  }
}

/** Changes a text if it is another. @param {Text} text @param {string} words */
function setText(text, words) {
  if (text.data !== words) text.data = words;
}

/**
 * Gives a handle the texts of a row, empty.
 * @param {HTMLElement} handle
 * @param {string} path
 */
function addTexts(handle, path) {
  handle.dataset.path = path;
  const [name, dir, size, time] = ['name', 'dir', 'size', 'time'].map((kind) => {
    const part = document.createElement('span');
    part.className = kind;
    handle.append(part);
    return part.appendChild(document.createTextNode(''));
  });
  return { name, dir, size, time };
}

/** @param {File} file @returns {Row} */
function fileRow({ path, link }) {
  const item = document.createElement('li');
  const handle = item.appendChild(document.createElement('a'));
  handle.href = base + link.slice('./'.length);
  const row = { item, handle, ...addTexts(handle, path) };
  row.dir.data = parentOf(path);
  row.name.data = path.slice(row.dir.length);
  return row;
}

/** @param {string} path @returns {Row} */
function folderRow(path) {
  const item = document.createElement('li');
  const details = item.appendChild(document.createElement('details'));
  const handle = details.appendChild(document.createElement('summary'));
  return { item, handle, ...addTexts(handle, path), list: details.appendChild(document.createElement('ul')) };
}
