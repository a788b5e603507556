// @ts-check
/** @import { LogView, Row } from './log.js' */
import { $, input, number } from './dom.js';
import { compile, ranges } from './filter.js';

/** The box that filters and searches, the hits that it marks, and the URL that keeps it. */
export class Find {
  #log;
  #form;
  /** @type {RegExp | null} */
  #find = null;
  #on = false;
  /** @type {Row | null} */
  #current = null;
  #frame = 0;

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
    for (const name of ['case', 'invert', 'only']) this.#box(name).checked = q.get(name) === '1';
    this.#box('context').value = String(Math.max(Number(q.get('context')) || 0, 0));
    this.#form.hidden = false;
    this.#apply();
  }

  get open() {
    return !this.#form.hidden;
  }

  show() {
    this.#form.hidden = false;
    input('query').focus();
    input('query').select();
  }

  /** Leaves and clears it. */
  close() {
    this.#form.hidden = true;
    input('query').value = '';
    this.#apply();
    $('log').focus({ preventScroll: true });
  }

  /** @param {1 | -1} by to the next or the previous hit */
  step(by) {
    if (!this.#on) return;
    const hits = this.#log.rows.filter((r) => r.hit);
    if (!hits.length) return;
    const at = this.#current ? hits.indexOf(this.#current) : -1;
    this.#go(hits[at < 0 ? (by > 0 ? 0 : hits.length - 1) : (at + by + hits.length) % hits.length]);
  }

  /** To be called when rows or the view of them have changed. */
  changed() {
    if (this.#on) this.#frame ||= requestAnimationFrame(() => this.#mark());
  }

  /** @param {Row} row */
  #go(row) {
    this.#current?.element.classList.remove('current');
    this.#current = row;
    row.element.classList.add('current');
    this.#log.goTo(row);
    this.changed();
  }

  /** @param {string} name */
  #box(name) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  #apply() {
    const text = input('query').value;
    this.#keep(text);
    const query = { text, matchCase: this.#box('case').checked, invert: this.#box('invert').checked };
    const compiled = text ? compile(query) : null;
    this.#current?.element.classList.remove('current');
    this.#current = null;
    const bad = compiled && 'error' in compiled ? compiled.error : '';
    $('count').classList.toggle('bad', bad !== '');
    $('count').textContent = bad;
    this.#on = compiled !== null && !bad;
    if (!compiled || 'error' in compiled) {
      this.#find = null;
      CSS.highlights?.delete('hit');
      this.#log.filter = null;
      return;
    }
    this.#find = compiled.find;
    const context = Number(this.#box('context').value) || 0;
    this.#log.filter = { test: compiled.test, only: this.#box('only').checked, context: Math.max(context, 0) };
    this.changed();
  }

  /** @param {string} text */
  #keep(text) {
    const url = new URL(location.href);
    const values = { filter: text, case: this.#box('case').checked, invert: this.#box('invert').checked, only: this.#box('only').checked, context: this.#box('context').value };
    for (const [name, value] of Object.entries(values)) {
      if (!text || !value || value === '0') url.searchParams.delete(name);
      else url.searchParams.set(name, value === true ? '1' : String(value));
    }
    if (url.href !== location.href) history.replaceState(null, '', url);
  }

  #mark() {
    this.#frame = 0;
    if (!this.#on) return;
    const all = this.#log.hits;
    const at = this.#current ? this.#log.rows.filter((r) => r.hit).indexOf(this.#current) + 1 : 0;
    $('count').textContent = all === 0 ? 'no hits' : at ? `${number.format(at)} of ${number.format(all)}` : `${number.format(all)} ${all === 1 ? 'hit' : 'hits'}`;
    const find = this.#find;
    if (!find || !CSS.highlights) return;
    const found = this.#log.inView().filter((r) => r.hit).flatMap((r) => ranges(r.element, find));
    CSS.highlights.set('hit', new Highlight(...found));
  }
}
