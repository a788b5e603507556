// @ts-check
/** @import { App } from './app.js' */
import { $, dialog, load } from './dom.js';
import { handleMenuKeys } from './menu-focus.js';
import { prefs, savePrefs } from './prefs.js';
import { announce } from './status.js';
import { MODES } from './times.js';

const FONT_PX = { min: 10, normal: 13, max: 32 };

/** @type {Record<string, string>} commands by the keys that run them */
const KEYS = {
  '/': 'filter', n: 'next', N: 'previous', G: 'follow', End: 'follow', ' ': 'pause', g: 'top', Home: 'top', t: 'times', v: 'view',
  w: 'wrap', f: 'fullscreen', '+': 'bigger', '=': 'bigger', '-': 'smaller', 0: 'normal', '?': 'help', l: 'link',
  j: 'next-line', k: 'previous-line', Enter: 'link',
};
// These leave the menu, because they show something else.
const CLOSING = ['filter', 'share', 'help', 'fullscreen', 'follow', 'view'];

/**
 * What the reader can make the page do: each command has a name, by which buttons
 * (`data-do`) and keys run it.
 */
export class Commands {
  #app;
  /** @type {Record<string, () => void>} */
  #commands;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.#commands = { ...this.#reading(), ...this.#settings(), ...this.#sharing() };
    document.addEventListener('click', (e) => this.#onClick(e, /** @type {Element} */ (e.target)));
    document.addEventListener('keydown', (e) => this.#onKey(e, /** @type {Element} */ (e.target)));
    handleMenuKeys($('menu'));
    $('filter').addEventListener('input', announceHits);
    $('query').addEventListener('keydown', (e) => { if (e.key === 'Enter') announceHits(); });
  }

  /** Shows the state of the menu's switches. */
  showSwitches() {
    const { theme = 'auto', wrap = true, notify = false } = prefs();
    $('theme-now').textContent = theme;
    for (const [name, on] of /** @type {const} */ ([['wrap', wrap], ['notify', notify]])) {
      $(`${name}-now`).textContent = on ? 'on' : 'off';
      for (const item of document.querySelectorAll(`#menu [data-do=${name}]`)) item.ariaChecked = String(on);
    }
    $('copy-now').textContent = '';
    $('view-now').textContent = this.#app.viewChoice;
  }

  /** The commands that move the reader around. */
  #reading() {
    const app = this.#app;
    const { log } = app;
    const embedded = new URLSearchParams(location.search).has('embed');
    return {
      filter: () => { if (!embedded) app.find?.show(); },
      unfilter: () => app.find?.close(),
      next: () => { app.find?.step(1); announceHits(); },
      previous: () => { app.find?.step(-1); announceHits(); },
      'next-line': () => app.cursor.move(1),
      'previous-line': () => app.cursor.move(-1),
      follow: () => app.follow(),
      pause: () => { log.following ? log.following = false : app.follow(); },
      top: () => log.goToStart(),
      view: () => app.nextView(),
      fullscreen: () => { document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen(); },
      help: () => dialog('help').showModal(),
    };
  }

  /** The commands that change how the page looks, this time and the next. */
  #settings() {
    const app = this.#app;
    const root = document.documentElement;
    return {
      times: () => {
        savePrefs({ times: MODES[(MODES.indexOf(prefs().times ?? 'off') + 1) % MODES.length] });
        app.showTimes();
      },
      wrap: () => {
        const wrap = prefs().wrap === false;
        savePrefs({ wrap });
        app.log.keep(() => { root.dataset.wrap = wrap ? 'on' : 'off'; });
      },
      theme: () => {
        const theme = { auto: 'light', light: 'dark' }[prefs().theme ?? 'auto'] ?? 'auto';
        savePrefs({ theme });
        root.dataset.theme = theme;
        app.recolour();
      },
      bigger: () => app.log.keep(() => resizeFont(1)),
      smaller: () => app.log.keep(() => resizeFont(-1)),
      normal: () => app.log.keep(() => resizeFont(0)),
    };
  }

  /** The commands that take output elsewhere. Most of them need menu.js, which is loaded late. */
  #sharing() {
    const app = this.#app;
    /** @param {(menu: typeof import('./menu.js')) => void} use */
    const withMenu = (use) => { load(() => import('./menu.js')).then((menu) => menu && use(menu)); };
    return {
      link: () => {
        app.links?.make();
        announce('link', () => location.hash.replace(/^#/, 'the address links to '));
      },
      text: () => withMenu((menu) => menu.download('text', app)),
      raw: () => withMenu((menu) => menu.download('raw', app)),
      share: () => withMenu((menu) => menu.share()),
      copy: () => withMenu(async (menu) => { await menu.copy(menu.allText(app.log)); $('copy-now').textContent = 'copied'; }),
      'copy-url': () => withMenu((menu) => menu.copy(location.href)),
      html: () => withMenu((menu) => menu.saveHTML(app.log, app.title)),
      notify: () => withMenu(async (menu) => {
        savePrefs({ notify: !prefs().notify && await menu.allowNotifications() });
        this.showSwitches();
      }),
    };
  }

  /**
   * @param {MouseEvent} e
   * @param {Element} target
   */
  #onClick(e, target) {
    const button = target.closest('[data-do]');
    const name = button?.getAttribute('data-do') ?? '';
    if (button instanceof HTMLAnchorElement) {
      if (e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return; // the browser's
      e.preventDefault();
    }
    // First, because it moves the focus back to where it was.
    if (button?.closest('#menu') && CLOSING.includes(name)) $('menu').hidePopover();
    this.#commands[name]?.();
    if (name) this.showSwitches();
  }

  /**
   * @param {KeyboardEvent} e
   * @param {Element} target
   */
  #onKey(e, target) {
    const { find, cursor, log } = this.#app;
    if (e.key === 'Tab') document.documentElement.dataset.tabbed = '';
    if (e.key === 'Escape' && !document.querySelector('dialog[open], :popover-open')) {
      if (find?.open) find.close();
      else cursor.leave();
    }
    if (e.ctrlKey || e.metaKey || e.altKey || target.closest('input, textarea:not(#screen *), dialog, [popover]')) return;
    if ([' ', 'Enter'].includes(e.key) && target.closest('button, a')) return;
    if (e.key === 'Enter' && !log.cursor) return;
    const name = KEYS[e.key];
    if (!name) return;
    e.preventDefault();
    this.#commands[name]();
    this.showSwitches();
  }
}

/** Announces the number of hits, in words for the ear. */
function announceHits() {
  announce('hits', () => ($('count').textContent ?? '')
    .replace(/^no hits/, 'nothing found').replace(/^([\d,]+) hits?/, 'found $1').replace(/^([\d,]+) of /, 'hit $1 out of '));
}

/** @param {number} by pixels; 0 for the normal size */
function resizeFont(by) {
  const now = parseFloat(getComputedStyle($('log')).fontSize);
  const px = by === 0 ? FONT_PX.normal : Math.max(FONT_PX.min, Math.min(FONT_PX.max, Math.round(now) + by));
  document.documentElement.style.setProperty('--font', `${px}px`);
  savePrefs({ font: px });
}
