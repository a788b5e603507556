// @ts-check
/** @import { Driver, Exit, FileChange, Hello, StreamEvent } from './driver/driver.js' */
/** @import { Output } from './output.js' */
/** @import { ScreenView } from './screen.js' */
/** @import { View } from './view.js' */
import { explainDisconnect, logIn, sendForm } from './access.js';
import { Bar } from './bar.js';
import { Commands } from './commands.js';
import { $, base, load, nameDownloads, notice, number } from './dom.js';
import { SocketDriver } from './driver/socket.js';
import { Find } from './find.js';
import { LogView } from './log.js';
import { Permalinks } from './permalinks.js';
import { prefs } from './prefs.js';
import { duration, format } from './times.js';

const FULL = 1013; // the close code of a wsrun that has as many viewers as it may have
// What the reader may need later is loaded after this time, so that it works even if
// wsrun is gone by then.
const PRELOAD_MS = 2000;

/** @typedef {'log' | 'screen'} ViewName */

/** The page of a stream: all of its state, and what its parts have to do with each other. */
export class App {
  /** @readonly */
  log;
  /** @type {Find | undefined} set by start */
  find;
  /** @type {Permalinks | undefined} set by start */
  links;
  #bar = new Bar();
  #commands;
  /** @type {Driver | undefined} set by start */
  #driver;
  /** @type {Output | undefined} set by start */
  #output;
  /** @type {{log?: View, screen?: ScreenView}} the views that were opened */
  #views = {};
  /** @type {ViewName} the view that is shown, or being loaded */
  #viewed = 'log';
  /** @type {ViewName | 'auto'} the view that the reader chose */
  #chosen = new URLSearchParams(location.search).get('view') === 'screen' ? 'screen' : 'auto';
  #epoch = ''; // of the run, as the other fields up to #ended
  #started = 0;
  #title = '';
  #ended = false;
  #connections = 0; // so far
  #overloaded = false; // too much output waits: not connected until it is shown
  #standingNotice = ''; // applies for the whole visit
  #explained = false; // a notice says why there is nothing to see

  constructor() {
    this.#bar.title = document.title;
    if (base !== './') { // this is a file's page
      $('index').setAttribute('href', base);
      $('index').hidden = false;
    }
    this.log = new LogView($('log'), {
      follow: (following, behind) => this.#showPill(following, behind),
      changed: () => this.find?.changed(),
    });
    this.#commands = new Commands(this);
    this.#listen();
  }

  /** Loads the output, then connects. Must be called once. */
  async start() {
    const [output] = await Promise.all([this.#loadOutput(), logIn()]);
    this.#output = output;
    this.#views.log = output.log;
    this.#driver = this.#newDriver(output);
    this.find = new Find(this.log);
    this.links = new Permalinks(this.log);
    this.#commands.showSwitches();
    this.showTimes();
    this.#switchView();
    this.#driver.connect();
    if (!this.find.open) $('log').focus({ preventScroll: true });
    for (const name of ['online', 'pageshow']) addEventListener(name, () => this.#wake());
    document.addEventListener('visibilitychange', () => this.#wake());
    setTimeout(() => { for (const part of ['menu', 'export', 'screen']) import(`./${part}.js`).catch(() => {}); }, PRELOAD_MS);
  }

  /** The title of the stream; empty before the first hello. */
  get title() {
    return this.#title;
  }

  /** Which view is shown, in words. */
  get viewChoice() {
    return this.#chosen === 'auto' ? 'by itself' : this.#chosen;
  }

  /** Changes the choice of the view: the other one, then the log, the screen, and back to auto. */
  nextView() {
    /** @type {Record<ViewName | 'auto', ViewName | 'auto'>} */
    const next = { auto: this.#viewed === 'log' ? 'screen' : 'log', log: 'screen', screen: 'auto' };
    this.#chosen = next[this.#chosen];
    this.#switchView();
  }

  /** Shows the times that the reader chose, and their name in the menu. */
  showTimes() {
    const mode = prefs().times ?? 'off';
    $('times-now').textContent = mode;
    this.log.times = format(mode, this.#started);
  }

  /** Makes the views take the page's colours again. */
  recolour() {
    for (const view of Object.values(this.#views)) view?.recolour();
  }

  #listen() {
    $('login').addEventListener('submit', async (e) => {
      e.preventDefault();
      if (await sendForm()) this.#driver?.connect();
    });
    addEventListener('hashchange', async () => {
      if (await logIn()) this.#driver?.connect();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.recolour());
  }

  /** Loads the output with a terminal, or the plain one in a build without xterm.js. */
  async #loadOutput() {
    const drawn = () => {
      $('empty').hidden = true;
      if (this.#explained && this.log.rows.length) this.#explain('');
      this.links?.seek();
    };
    try {
      const { TerminalOutput } = await import('./output.js');
      return new TerminalOutput(this.log, {
        fullScreenChanged: () => this.#switchView(),
        overload: (overloaded) => this.#setOverloaded(overloaded),
        titleChanged: (title) => { this.#bar.programTitle = title; },
        drawn,
      });
    } catch {
      const { PlainView } = await import('./plain.js');
      this.#standingNotice = 'This build has no xterm.js (make adds it): plain text, without colours.';
      notice(this.#standingNotice);
      return new PlainView($('log'), drawn);
    }
  }

  /** @param {Output} output */
  #newDriver(output) {
    return new SocketDriver(streamURL(), {
      hello: (hello) => this.#onHello(output, hello),
      output: (bytes) => output.write(bytes),
      event: (event) => this.#onEvent(output, event),
      closed: ({ code, retryMs }) => this.#onClosed(code, retryMs),
    });
  }

  /**
   * @param {Output} output
   * @param {Hello} hello
   */
  #onHello(output, hello) {
    const fresh = hello.epoch !== this.#epoch;
    notice(this.#epoch && fresh ? 'wsrun was started anew: this is its new output.' : this.#standingNotice);
    $('login').hidden = true;
    this.#connections++;
    if (fresh) {
      this.#bar.programTitle = '';
      this.#ended = false;
      $('end').hidden = true;
      delete document.body.dataset.ended;
      $('empty').hidden = false;
    }
    this.#epoch = hello.epoch;
    this.#started = hello.started;
    this.#title = hello.title;
    this.#bar.title = hello.title;
    this.#bar.viewers = hello.viewers;
    if (!this.#ended) this.#bar.show('live', hello.state === 'ended' ? 'loading' : 'live');
    this.#bar.clock(hello.started, hello.now);
    nameDownloads(hello.title);
    $('log').classList.toggle('relative', !hello.exact);
    if (!hello.exact) this.#bar.programTitle = 'numbers count from the first line shown';
    output.begin(hello, { fresh, skew: this.#bar.skew });
    this.showTimes();
  }

  /**
   * @param {Output} output
   * @param {StreamEvent} event
   */
  #onEvent(output, event) {
    switch (event.event) {
      case 'reset':
        output.reset(event, this.#bar.skew);
        break;
      case 'resize':
        output.resize(event.cols, event.rows);
        break;
      case 'file':
        output.note(describeFile(event));
        break;
      case 'viewers':
        this.#bar.viewers = event.n;
        break;
      case 'exit':
        this.#ended = true;
        output.end(describeExit(event), this.#started + event.durationMs, () => this.#showExit(event));
    }
  }

  /**
   * @param {number} code
   * @param {number} retryMs
   */
  #onClosed(code, retryMs) {
    if (this.#ended) return;
    if (retryMs < 0) {
      this.#bar.show('ok', 'ended');
      return;
    }
    this.#bar.show('wait', code === FULL ? 'full' : 'reconnecting');
    if (code === FULL) notice('wsrun has as many viewers as it may have; this page tries again.');
    this.#bar.retry(retryMs);
    const before = this.#connections;
    explainDisconnect(this.#bar, () => this.#connections === before);
  }

  /** Connects at once if there is a reason to: the reader is back, or the network is. */
  #wake() {
    if (!document.hidden && !this.#ended && !this.#overloaded) this.#driver?.connect();
  }

  /** @param {boolean} overloaded */
  #setOverloaded(overloaded) {
    this.#overloaded = overloaded;
    if (!overloaded) return this.#driver?.connect();
    this.#driver?.close();
    this.#bar.show('wait', 'catching up');
  }

  /** Shows the view that the reader chose; if none, the screen while a program fills it, otherwise the log. */
  async #switchView() {
    const output = this.#output;
    const automatic = output?.fullScreen ? 'screen' : 'log';
    const name = this.#chosen === 'auto' ? automatic : this.#chosen;
    $('view-now').textContent = this.viewChoice;
    if (name === this.#viewed || !output) return;
    this.#viewed = name;
    if (name === 'screen' && !this.#views.screen) {
      const opened = await load(async () => ({ screen: await output.openScreen() }));
      if (this.#viewed !== name) return; // it changed while the screen was loaded
      if (opened && !opened.screen) this.#explain('This build has no xterm.js (make adds it), and so no screen to show.');
      this.#views.screen = opened?.screen;
    }
    const view = this.#views[name];
    if (!view) {
      this.#viewed = 'log';
      this.#chosen = 'auto';
      return;
    }
    for (const other of Object.values(this.#views)) if (other !== view) other?.hide();
    $('pill').hidden = name === 'screen' || this.log.following;
    view.show();
    if (this.find) this.find.screen = this.#views.screen && name === 'screen' ? this.#views.screen.search : null;
    const nothing = name === 'log' && output.fullScreen && !this.log.rows.length;
    if (nothing || this.#explained) this.#explain(nothing ? `${this.#title} draws on the whole screen: it has printed no lines. Press v to see the screen.` : '');
  }

  /** Shows a notice that says why there is nothing to see. @param {string} words empty if there is something */
  #explain(words) {
    this.#explained = words !== '';
    notice(words || this.#standingNotice);
  }

  /**
   * Shows how far behind the log is, on a button that follows the end again.
   * @param {boolean} following
   * @param {number} behind lines
   */
  #showPill(following, behind) {
    $('pill').hidden = following || this.#viewed === 'screen';
    $('pill').textContent = behind ? `${number.format(behind)} new ${behind === 1 ? 'line' : 'lines'} ↓` : 'to the end ↓';
  }

  /** @param {Exit} exit */
  #showExit(exit) {
    const words = describeExit(exit);
    this.#bar.show(exit.code ? 'failed' : 'ok', howItEnded(exit));
    this.#bar.ended(exit.durationMs);
    $('ended').textContent = words;
    $('end').hidden = false;
    $('empty').hidden = true;
    document.body.dataset.ended = '';
    if (prefs().notify && document.hidden && 'Notification' in window && Notification.permission === 'granted') {
      new Notification(this.#title, { body: words, tag: this.#epoch });
    }
  }
}

/** How a run ended, in a few words. @param {Exit} exit */
function howItEnded(exit) {
  return exit.signal ? `killed by ${exit.signal}` : exit.code ? `failed with exit status ${exit.code}` : 'ended';
}

/** How a run ended, and after what time. @param {Exit} exit */
function describeExit(exit) {
  return `${exit.code ? '✗' : '✓'} ${howItEnded(exit)} after ${duration(exit.durationMs)}`;
}

/** The URL of this page's stream. */
function streamURL() {
  const url = new URL(location.href.replace(/^http/, 'ws'));
  url.hash = '';
  // Without these, a file's URL means just its last lines.
  for (const [name, value] of [['tail', '1'], ['n', 'all']]) if (!url.searchParams.has(name)) url.searchParams.set(name, value);
  return url.href;
}

/**
 * What happened to a file, in words.
 * @param {FileChange} change
 */
function describeFile({ state, reason, lost }) {
  switch (state) {
    case 'truncated':
      return `the file was truncated${lost ? `, at least ${number.format(lost)} bytes of it unread` : ''}`;
    case 'rotated':
      return 'the file was replaced: what follows is the new one';
    case 'gone':
      return `the file is gone: ${reason}`;
    case 'back':
      return 'the file is back';
  }
  return state;
}

await new App().start();
