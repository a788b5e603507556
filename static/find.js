// @ts-check
/** @import { LogView, Row } from './log.js' */
import { $, input, number } from './dom.js';
import { compile, ranges } from './filter.js';

/** The bar that filters and searches: highlights hits, and keeps the query in the URL. */
export class Find {
  #log;
  #form;
  /** @type {RegExp | null} */
  #expression = null; // finds the hits in a line
  #active = false; // there is a query, and it is a good one
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
    $('log').focus({ preventScroll: true });
  }

  /** Goes to the next hit or the previous one. @param {1 | -1} by */
  step(by) {
    if (!this.#active) return;
    const hits = this.#log.rows.filter((r) => r.hit);
    if (!hits.length) return;
    const at = this.#current ? hits.indexOf(this.#current) : -1;
    this.#goTo(hits[at < 0 ? (by > 0 ? 0 : hits.length - 1) : (at + by + hits.length) % hits.length]);
  }

  /** Must be called when other rows are visible. */
  changed() {
    if (this.#active) this.#frame ||= requestAnimationFrame(() => this.#highlightHits());
  }

  /** @param {Row} row */
  #goTo(row) {
    this.#current?.element.classList.remove('current');
    this.#current = row;
    row.element.classList.add('current');
    this.#log.goTo(row);
    this.changed();
  }

  /** The form's input with a name. @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  /** Applies what the form holds. */
  #apply() {
    const text = input('query').value;
    this.#updateURL(text);
    const query = { text, matchCase: this.#field('case').checked, invert: this.#field('invert').checked };
    const compiled = text ? compile(query) : null;
    this.#current?.element.classList.remove('current');
    this.#current = null;
    const bad = compiled && 'error' in compiled ? compiled.error : '';
    $('count').classList.toggle('bad', bad !== '');
    $('count').textContent = bad;
    this.#active = compiled !== null && !bad;
    if (!compiled || 'error' in compiled) {
      this.#expression = null;
      CSS.highlights?.delete('hit');
      this.#log.filter = null;
      return;
    }
    this.#expression = compiled.expression;
    const context = Number(this.#field('context').value) || 0;
    this.#log.filter = { test: compiled.test, only: this.#field('only').checked, context: Math.max(context, 0) };
    this.changed();
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

  /** Highlights the visible hits, and shows how many there are in all. */
  #highlightHits() {
    this.#frame = 0;
    if (!this.#active) return;
    const all = this.#log.hits;
    const at = this.#current ? this.#log.rows.filter((r) => r.hit).indexOf(this.#current) + 1 : 0;
    if (all === 0) $('count').textContent = 'no hits';
    else if (at) $('count').textContent = `${number.format(at)} of ${number.format(all)}`;
    else $('count').textContent = `${number.format(all)} ${all === 1 ? 'hit' : 'hits'}`;
    const expression = this.#expression;
    if (!expression || !CSS.highlights) return;
    const found = this.#log.inView().filter((r) => r.hit).flatMap((r) => ranges(r.element, expression));
    CSS.highlights.set('hit', new Highlight(...found));
  }
}
