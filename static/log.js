// @ts-check
/** @import { Line } from './lines.js' */
import { apply } from './style.js';

const BLOCK = 100;
// Rows kept while following. For one who reads further up nothing is dropped, but
// over PAUSED what comes is held back, and over HELD counted.
const KEPT = 20_000;
const PAUSED = 60_000;
const HELD = 20_000;
const NEAR_END_PX = 12;
// Towers of combining marks take the browser seconds to draw.
const TOWER = /\p{M}{9}/u;
const TOWERS = /(\p{M}{8})\p{M}+/gu;
const URLS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u0020]+/g;

/**
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {Block} block
 * @property {number} n the line's number; 0 for none
 * @property {number} ms
 * @property {string} text
 * @property {string} look all that its element shows
 * @property {boolean} hit
 * @property {boolean} out not to be shown, for the filter's sake
 * @property {boolean} hidden it is not
 * @property {boolean} gap it says that lines are missing, and is none
 *
 * @typedef {object} Block rows that the browser lays out only when they come into view
 * @property {HTMLElement} element
 * @property {number} rows
 * @property {number} shown of them; fewer if a filter hides the others
 *
 * @typedef {object} Filter
 * @property {(text: string) => boolean} test
 * @property {boolean} only hide the others
 * @property {number} context lines shown around a hit
 */

/** Shows lines as text, one element a line, and follows their end. */
export class LogView {
  #element;
  #on;
  /** @type {Row[]} */
  rows = [];
  /** @type {Block[]} */
  #blocks = [];
  #fixed = 0; // rows that will not change any more
  #following = true;
  #scrolled = 0;
  #set = -1; // the scroll position that we set last
  /** @type {Line[]} */
  #held = [];
  #dropped = 0; // of those held, the oldest
  #digits = 0; // of the largest number
  #seen = 0; // lines that there were when following ended
  /** @type {Filter | null} */
  #filter = null;
  hits = 0;
  /** @type {[number, number] | null} */
  #marked = null;
  /** @type {((row: Row, before: Row | undefined) => string) | null} */
  #times = null;

  /**
   * @param {HTMLElement} element that scrolls
   * @param {{follow(following: boolean, behind: number): void, changed(): void}} on
   */
  constructor(element, on) {
    this.#element = element;
    this.#on = on;
    element.addEventListener('scroll', () => this.#onScroll(), { passive: true });
    // To look up is to pause, however far.
    const pause = () => { if (element.scrollHeight > element.clientHeight) this.following = false; };
    let touched = 0;
    element.addEventListener('wheel', (e) => { if (e.deltaY < 0 && !e.ctrlKey) pause(); }, { passive: true });
    element.addEventListener('touchstart', (e) => { touched = e.touches[0].clientY; }, { passive: true });
    element.addEventListener('touchmove', (e) => { if (e.touches[0].clientY > touched + 3) pause(); }, { passive: true });
    element.addEventListener('keydown', (e) => { if (['ArrowUp', 'PageUp'].includes(e.key)) pause(); });
    new ResizeObserver(() => this.#stick()).observe(element);
  }

  get following() {
    return this.#following;
  }

  /** @param {boolean} following */
  set following(following) {
    if (following === this.#following) return;
    this.#following = following;
    this.#element.classList.toggle('paused', !following);
    this.#seen = this.#last();
    if (following) this.#release();
    this.#stick();
    this.#on.follow(following, 0);
  }

  /**
   * Shows lines: those that will not change any more, and behind them those that do.
   * @param {Line[]} done
   * @param {Line[]} tail
   */
  show(done, tail) {
    // Those that would be dropped at once are not made.
    if (!this.#following && this.rows.length >= PAUSED) {
      this.#hold(done);
      return;
    }
    const skip = this.#following ? Math.max(done.length - KEPT, 0) : 0;
    if (skip) this.#drop(this.rows.length);
    let at = this.#fixed;
    const from = at;
    for (let i = skip; i < done.length; i++) this.#put(at++, done[i], true);
    this.#fixed = at;
    for (const line of tail) this.#put(at++, line);
    while (this.rows.length > at) this.#pop();
    this.#settle(from);
  }

  /** @param {Line[]} lines that are to be shown later */
  #hold(lines) {
    this.#held.push(...lines);
    if (this.#held.length > HELD) this.#dropped += this.#held.splice(0, this.#held.length - HELD).length;
    const last = this.#held.findLast((line) => line.n)?.n ?? 0;
    this.#on.follow(false, Math.max(last - this.#seen, 0));
  }

  /** Shows what was held back. */
  #release() {
    const held = this.#held;
    const dropped = this.#dropped;
    [this.#held, this.#dropped] = [[], 0];
    if (dropped) this.gap(`${dropped.toLocaleString('en')} lines not shown`);
    if (held.length) this.show(held, []);
    this.#evict();
  }

  /**
   * Shows words in place of lines that are missing.
   * @param {string} words
   */
  gap(words) {
    this.#put(this.#fixed, { n: 0, ms: 0, runs: [{ text: words, style: '', link: '' }] });
    const row = this.rows[this.#fixed++];
    row.gap = true;
    row.element.className = 'gap';
    this.#settle(this.#fixed);
  }

  clear() {
    this.#drop(this.rows.length);
    [this.#fixed, this.#seen, this.#held, this.#dropped] = [0, 0, [], 0];
    this.hits = 0;
    this.#on.changed();
  }

  /**
   * Shows a time beside each line.
   * @param {((row: Row, before: Row | undefined) => string) | null} times
   */
  set times(times) {
    this.#times = times;
    this.#element.classList.toggle('timed', times !== null);
    this.rows.forEach((row, i) => this.#time(row, i));
    this.#stick();
  }

  /**
   * Marks lines by their numbers.
   * @param {[number, number] | null} range
   */
  mark(range) {
    this.#marked = range;
    for (const row of this.rows) this.#markRow(row);
  }

  /**
   * Scrolls to a line. False if it is not there.
   * @param {number} n
   */
  reveal(n) {
    const row = this.rows.find((r) => r.n === n);
    if (!row) return false;
    const [box, view] = [row.element.getBoundingClientRect(), this.#element.getBoundingClientRect()];
    if (box.height && box.top >= view.top && box.bottom <= view.bottom) this.following = false;
    else this.goTo(row);
    return true;
  }

  /** @param {Row} row */
  goTo(row) {
    this.following = false;
    row.out = row.hidden = false;
    row.element.classList.remove('out');
    row.block.element.hidden = false;
    row.element.scrollIntoView({ block: 'center' });
    this.#set = this.#scrolled = this.#element.scrollTop;
  }

  /** The first row in view. */
  get top() {
    const { top } = this.#element.getBoundingClientRect();
    return this.inView().find((row) => !row.out && row.element.getBoundingClientRect().bottom > top);
  }

  /** @param {Filter | null} filter */
  set filter(filter) {
    const top = this.#following ? undefined : this.top;
    const reseat = (filter?.only ?? false) !== (this.#filter?.only ?? false);
    this.#filter = filter;
    this.#judge(0);
    // A block out of view is taken to be as high as when it was seen last, unless it
    // was out of the page since.
    if (reseat) this.#element.replaceChildren(...this.#blocks.map((b) => b.element));
    this.#on.changed();
    this.#stick();
    if (!top) return;
    const at = this.rows.indexOf(top);
    (this.rows.slice(at).find((row) => !row.out) ?? this.rows.findLast((row) => !row.out))?.element.scrollIntoView({ block: 'start' });
    this.#set = this.#scrolled = this.#element.scrollTop;
  }

  /** The rows in view, and some more. */
  inView() {
    const { top, bottom } = this.#element.getBoundingClientRect();
    const seen = new Set(this.#blocks.filter((b) => {
      const box = b.element.getBoundingClientRect();
      return box.bottom >= top && box.top <= bottom;
    }));
    return this.rows.filter((row) => seen.has(row.block));
  }

  /**
   * @param {number} at
   * @param {Line} line
   * @param {boolean} [fixed] it will not change any more
   */
  #put(at, line, fixed) {
    let text = line.runs.length === 1 ? line.runs[0].text : line.runs.map((r) => r.text).join('');
    if (TOWER.test(text)) {
      line.runs = line.runs.map((r) => ({ ...r, text: r.text.replace(TOWERS, '$1') }));
      text = line.runs.map((r) => r.text).join('');
    }
    const known = this.rows[at];
    let look = '';
    if (known || !fixed) {
      look = `${line.n} ${line.ms} ${text}`;
      if (line.runs.length > 1 || line.runs[0]?.style || line.runs[0]?.link) {
        look += line.runs.map((r) => `\n${r.text.length} ${r.style} ${r.link}`).join('');
      }
      if (known?.look === look) return;
    }
    const row = known ?? { element: document.createElement('div'), block: this.#block(), n: 0, ms: 0, text: '', look: '', hit: false, out: false, hidden: false, gap: false };
    row.n = line.n;
    row.ms = line.ms;
    row.text = text;
    row.look = look;
    if (row.n) row.element.setAttribute('data-n', String(row.n));
    else row.element.removeAttribute('data-n');
    const digits = String(row.n).length;
    if (digits > this.#digits) {
      this.#digits = digits;
      this.#element.style.setProperty('--digits', String(digits));
    }
    row.element.replaceChildren(...contents(line, text));
    row.element.classList.toggle('cut', line.cut ?? false);
    this.#time(row, at);
    if (this.#marked) this.#markRow(row);
    if (known) return;
    row.block.element.append(row.element);
    row.block.rows++;
    this.rows.push(row);
  }

  #block() {
    let block = this.#blocks.at(-1);
    if (!block || block.rows >= BLOCK) {
      block = { element: document.createElement('div'), rows: 0, shown: BLOCK };
      block.element.className = 'block';
      this.#blocks.push(block);
      this.#element.append(block.element);
    }
    return block;
  }

  #pop() {
    const row = this.rows.pop();
    if (!row) return;
    row.element.remove();
    if (--row.block.rows === 0) {
      row.block.element.remove();
      this.#blocks.pop();
    }
  }

  /** @param {number} count rows from the start, in whole blocks unless they are all */
  #drop(count) {
    let dropped = 0;
    while (this.#blocks.length && dropped + this.#blocks[0].rows <= count) {
      const block = this.#blocks[0];
      dropped += block.rows;
      block.element.remove();
      this.#blocks.shift();
    }
    this.rows.splice(0, dropped);
    this.#fixed = Math.max(this.#fixed - dropped, 0);
    return dropped;
  }

  #evict() {
    return this.#following ? this.#drop(this.rows.length - KEPT) : 0;
  }

  /** @param {number} from the first row that may be new */
  #settle(from) {
    from -= this.#evict();
    if (this.#filter) this.#judge(Math.max(from, 0));
    this.#stick();
    if (!this.#following) this.#on.follow(false, Math.max(this.#last() - this.#seen, 0));
    this.#on.changed();
  }

  #last() {
    for (let i = this.rows.length - 1; i >= 0; i--) if (this.rows[i].n) return this.rows[i].n;
    return 0;
  }

  /** @param {number} from */
  #judge(from) {
    const filter = this.#filter;
    const context = filter?.context ?? 0;
    for (let i = from; i < this.rows.length; i++) {
      this.rows[i].hit = filter !== null && filter.test(this.rows[i].text);
    }
    this.hits = 0;
    for (const row of this.rows) if (row.hit) this.hits++;
    const only = filter?.only ?? false;
    let shown = -Infinity; // up to this row, for the last hit's sake
    const start = Math.max(from - context, 0);
    for (let i = Math.max(start - context, 0); i < start; i++) if (this.rows[i].hit) shown = i + context;
    for (let i = start, ahead = start; i < this.rows.length; i++) {
      for (; ahead <= i + context && ahead < this.rows.length; ahead++) if (this.rows[ahead].hit) shown = ahead + context;
      const row = this.rows[i];
      const out = only && i > shown;
      row.out = out;
    }
    this.#size(only);
  }

  /**
   * Tells each block how many of its rows are shown.
   * @param {boolean} only not all
   */
  #size(only) {
    let at = 0;
    for (const block of this.#blocks) {
      let shown = 0;
      const end = at + block.rows;
      if (only) for (let i = at; i < end; i++) shown += this.rows[i].out ? 0 : 1;
      else shown = BLOCK;
      // In a block that is hidden as a whole, rows need not be.
      for (let i = shown ? at : end; i < end; i++) {
        const row = this.rows[i];
        if (row.out === row.hidden) continue;
        row.hidden = row.out;
        row.element.classList.toggle('out', row.out);
      }
      at = end;
      if (shown === block.shown) continue;
      block.shown = shown;
      block.element.hidden = shown === 0;
      block.element.style.setProperty('--shown', String(shown));
    }
  }

  /**
   * @param {Row} row
   * @param {number} at
   */
  #time(row, at) {
    if (this.#times && row.ms) row.element.setAttribute('data-t', this.#times(row, this.rows[at - 1]));
    else row.element.removeAttribute('data-t');
  }

  /** @param {Row} row */
  #markRow(row) {
    const on = this.#marked !== null && row.n >= this.#marked[0] && row.n <= this.#marked[1];
    row.element.classList.toggle('marked', on);
  }

  #stick() {
    if (!this.#following) return;
    this.#element.scrollTop = this.#element.scrollHeight;
    this.#set = this.#scrolled = this.#element.scrollTop;
  }

  #onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.#element;
    const by = scrollTop - this.#scrolled;
    this.#scrolled = scrollTop;
    this.#on.changed();
    if (Math.abs(scrollTop - this.#set) <= 1) return; // ours, which comes a frame later
    this.#set = -1;
    const atEnd = scrollHeight - scrollTop - clientHeight <= NEAR_END_PX;
    if (by < -1 && !atEnd) this.following = false; // at the end there is just less to show
    else if (by > 0 && atEnd) this.following = true;
  }
}

/**
 * The nodes of a line: text, and elements only where something is to be seen.
 * @param {Line} line
 * @param {string} text
 */
function contents(line, text) {
  if (!text) return [document.createElement('br')];
  if (!text.includes('://') && line.runs.every((r) => !r.style)) return [text];
  const urls = text.includes('://') ? [...text.matchAll(URLS)].map((m) => ({ from: m.index, url: trimmed(m[0]) })) : [];
  const nodes = [];
  let at = 0;
  let next = 0; // of urls
  for (const run of line.runs) {
    const end = at + run.text.length;
    for (let from = at; from < end;) {
      while (next < urls.length && urls[next].from + urls[next].url.length <= from) next++;
      const url = urls[next]?.from < end ? urls[next] : undefined;
      const inside = url && from >= url.from;
      const to = !url ? end : inside ? Math.min(end, url.from + url.url.length) : url.from;
      nodes.push(piece(text.slice(from, to), run.style, run.link || (inside ? url.url : '')));
      from = to;
    }
    at = end;
  }
  return nodes;
}

/**
 * A URL without the punctuation of the sentence around it.
 * @param {string} url
 */
function trimmed(url) {
  let end = url.length;
  while (/[.,;:!?)\]}]/.test(url[end - 1])) {
    const closes = { ')': '(', ']': '[', '}': '{' }[url[end - 1]];
    if (closes && url.slice(0, end).includes(closes)) break;
    end--;
  }
  return url.slice(0, end);
}

/**
 * @param {string} text
 * @param {string} style
 * @param {string} link
 */
function piece(text, style, link) {
  if (!style && !link) return text;
  const element = document.createElement(link ? 'a' : 'span');
  if (element instanceof HTMLAnchorElement) {
    element.href = link;
    element.target = '_blank';
    element.rel = 'noopener noreferrer';
  }
  apply(element, style);
  element.textContent = text;
  return element;
}
