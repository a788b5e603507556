// @ts-check
/** @import { LogView, Row } from './log.js' */
/** @import { ScreenSearch } from './screen-search.js' */
import { $, input, number } from './dom.js';
import { compile, ranges } from './filter.js';

// What has no meaning on a screen, where lines can't be hidden.
const LOG_ONLY = ['invert', 'only', 'context'];

/**
 * The bar that filters and searches the log, or searches the screen: highlights hits, and
 * keeps the query in the URL.
 */
export class Find {
  #log;
  #form;
  /** @type {ScreenSearch | null} */
  #screen = null; // searched instead of the log while it is shown
  #text = ''; // the last good query, which stays in effect while a bad one is typed
  #error = ''; // of the query in the field
  /** @type {RegExp | null} */
  #expression = null; // finds the hits in a line
  /** @type {Row | null} */
  #current = null; // the hit that was last gone to
  #frame = 0; // requested from the browser

  /** @param {LogView} log */
  constructor(log) {
    this.#log = log;
    this.#form = /** @type {HTMLFormElement} */ ($('filter'));
    this.#form.addEventListener('input', () => this.#apply());
    this.#form.addEventListener('submit', (e) => e.preventDefault());
    input('query').addEventListener('keydown', (e) => {
      if (e.key === 'Enter') this.step(e.shiftKey ? -1 : 1);
    });
    const q = new URLSearchParams(location.search);
    if (!q.has('filter')) return;
    input('query').value = q.get('filter') ?? '';
    for (const name of ['case', 'invert', 'only']) this.#field(name).checked = q.get(name) === '1';
    this.#field('context').value = String(Math.max(Number(q.get('context')) || 0, 0));
    this.#form.hidden = false;
    this.#apply();
  }

  /** Whether the bar is visible. */
  get open() {
    return !this.#form.hidden;
  }

  /**
   * Searches a screen instead of the log, or the log again.
   * @param {ScreenSearch | null} screen
   */
  set screen(screen) {
    if (screen === this.#screen) return;
    if (this.#screen) {
      this.#screen.changed = () => {};
      this.#screen.search(null);
    }
    this.#screen = screen;
    if (screen) screen.changed = () => this.changed();
    for (const name of LOG_ONLY) this.#field(name).disabled = screen !== null;
    this.#apply();
  }

  /** Shows the bar, ready to type. */
  show() {
    this.#form.hidden = false;
    input('query').focus();
    input('query').select();
  }

  /** Clears the query and hides the bar. */
  close() {
    this.#form.hidden = true;
    input('query').value = '';
    this.#apply();
    input('query').blur(); // the log may be hidden, and the field would have the next key
    $('log').focus({ preventScroll: true });
  }

  /** Goes to the next hit or the previous one. @param {1 | -1} by */
  step(by) {
    if (!this.#text) return;
    if (this.#screen) {
      this.#screen.step(by);
      this.changed();
      return;
    }
    const hits = this.#log.rows.filter((r) => r.hit);
    if (!hits.length) return;
    const at = this.#current ? hits.indexOf(this.#current) : -1;
    this.#goTo(hits[at < 0 ? (by > 0 ? 0 : hits.length - 1) : (at + by + hits.length) % hits.length]);
  }

  /** Must be called when other rows are visible. */
  changed() {
    if (this.#text) this.#frame ||= requestAnimationFrame(() => this.#showHits());
  }

  /** @param {Row} row */
  #goTo(row) {
    this.#dropCurrent();
    this.#current = row;
    row.element.classList.add('current');
    this.#log.goTo(row);
    this.changed();
  }

  /** Makes no hit the current one. */
  #dropCurrent() {
    this.#current?.element.classList.remove('current');
    this.#current = null;
  }

  /** The form's input with a name. @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  /** Applies what the form holds. */
  #apply() {
    const invert = this.#field('invert').checked && !this.#screen;
    const compiled = this.#compile(input('query').value, invert);
    this.#error = 'error' in compiled ? compiled.error : '';
    if (!this.#error) this.#text = input('query').value;
    $('count').classList.toggle('bad', this.#error !== '');
    $('count').textContent = this.#error;
    this.#updateURL(this.#text);
    CSS.highlights?.delete('hit');
    const good = this.#error ? this.#compile(this.#text, invert) : compiled;
    if (!this.#text || 'error' in good) {
      this.#expression = null;
      this.#log.filter = null;
      this.#dropCurrent();
      this.#screen?.search(null);
      return;
    }
    this.#expression = good.expression;
    if (!this.#screen) {
      const context = Number(this.#field('context').value) || 0;
      this.#log.filter = { test: good.test, only: this.#field('only').checked, context: Math.max(context, 0) };
      if (!this.#current?.hit) this.#dropCurrent();
    }
    this.changed();
  }

  /**
   * @param {string} text
   * @param {boolean} invert
   */
  #compile(text, invert) {
    return compile({ text, matchCase: this.#field('case').checked, invert });
  }

  /** @param {string} text */
  #updateURL(text) {
    const url = new URL(location.href);
    const checked = (/** @type {string} */ name) => this.#field(name).checked;
    const values = {
      filter: text, case: checked('case'), invert: checked('invert'), only: checked('only'), context: this.#field('context').value,
    };
    for (const [name, value] of Object.entries(values)) {
      if (!text || !value || value === '0') url.searchParams.delete(name);
      else url.searchParams.set(name, value === true ? '1' : String(value));
    }
    if (url.href !== location.href) history.replaceState(null, '', url);
  }

  /** Highlights the visible hits, and shows how many there are. */
  #showHits() {
    this.#frame = 0;
    if (!this.#text) return;
    const words = this.#screen ? this.#searchScreen(this.#screen) : this.#highlightRows();
    if (!this.#error) $('count').textContent = words;
  }

  /** @param {ScreenSearch} screen */
  #searchScreen(screen) {
    const all = screen.search(this.#expression);
    return `${count(screen.current, all)} on this screen`;
  }

  #highlightRows() {
    const at = this.#current ? this.#log.rows.filter((r) => r.hit).indexOf(this.#current) + 1 : 0;
    const expression = this.#expression;
    if (expression && CSS.highlights) {
      const found = this.#log.inView().filter((r) => r.hit).flatMap((r) => ranges(r.element, expression));
      CSS.highlights.set('hit', new Highlight(...found));
    }
    return count(at, this.#log.hits);
  }
}

/**
 * How many hits there are, in words.
 * @param {number} at the number of the current hit; 0 if there is none
 * @param {number} all
 */
function count(at, all) {
  if (all === 0) return 'no hits';
  if (at) return `${number.format(at)} of ${number.format(all)}`;
  return `${number.format(all)} ${all === 1 ? 'hit' : 'hits'}`;
}
