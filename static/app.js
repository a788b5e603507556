// @ts-check
/** @import { Driver, Exit, FileChange, Hello, StreamEvent } from './driver/driver.js' */
/** @import { Output } from './output.js' */
/** @import { ScreenView } from './screen.js' */
/** @import { View } from './view.js' */
import { explainDisconnect, logIn, sendForm } from './access.js';
import { Bar } from './bar.js';
import { Commands } from './commands.js';
import { $, base, input, load, nameDownloads, notice, number } from './dom.js';
import { SocketDriver } from './driver/socket.js';
import { Find } from './find.js';
import { LineCursor } from './line-cursor.js';
import { LogView } from './log.js';
import { Permalinks } from './permalinks.js';
import { countBelow, countNew } from './position.js';
import { prefs } from './prefs.js';
import { announce } from './status.js';
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
  /** @readonly */
  cursor;
  #bar = new Bar();
  #commands;
  /** @type {Driver | undefined} set by start; none while a new run waits for the reader */
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
  #kind = '';
  #started = 0;
  #title = '';
  #ended = false;
  #connections = 0; // so far
  #overloaded = false; // too much output waits: not connected until it is shown
  #replaced = false; // there is a new run, and the reader is still reading the old one
  #pausedAt = 0; // by the server's clock
  #frame = 0; // requested from the browser
  /** @type {number | undefined} of the answer that the notice about the lost connection explains */
  #status;
  #standingNotice = ''; // applies for the whole visit
  #explained = false; // a notice says why there is nothing to see

  constructor() {
    this.#bar.title = document.title;
    if (base !== './') { // this is a file's page
      $('index').setAttribute('href', base);
      $('index').hidden = false;
    }
    this.log = new LogView($('log'), {
      follow: (following) => this.#onFollow(following),
      changed: () => {
        this.find?.changed();
        if (!this.log.following) this.#frame ||= requestAnimationFrame(() => this.#showPosition());
      },
    });
    this.cursor = new LineCursor(this.log);
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

  /** The epoch of the run that is shown; empty before the first hello. */
  get epoch() {
    return this.#epoch;
  }

  /** Whether there is a new run, of which the page shows nothing yet. */
  get replaced() {
    return this.#replaced;
  }

  /** Goes to the end and follows it: the end of the new run, if there is one. */
  follow() {
    this.log.following = true;
    if (this.#replaced) this.#showNewRun();
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
    addEventListener('focus', () => this.#keepFocus());
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
      const { PlainOutput } = await import('./plain.js');
      this.#standingNotice = 'This build has no xterm.js (make adds it): plain text, without colours.';
      notice(this.#standingNotice);
      return new PlainOutput(this.log, drawn);
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
    $('login').hidden = true;
    this.#connections++;
    this.#status = undefined;
    if (this.#epoch && fresh && this.#isReading) return this.#keepOldRun();
    if (this.#epoch && fresh) this.links?.clear(); // the new run's lines are others
    const anew = hello.kind === 'file' ? 'The file was replaced: this is the new one.' : 'wsrun was started anew: this is its new output.';
    notice(this.#epoch && fresh ? anew : this.#standingNotice);
    if (fresh) {
      this.#bar.programTitle = '';
      this.#ended = false;
      $('end').hidden = true;
      delete document.body.dataset.ended;
      $('empty').hidden = false;
    }
    this.#epoch = hello.epoch;
    this.#kind = hello.kind;
    this.#started = hello.started;
    this.#title = hello.title;
    this.#bar.title = hello.title;
    this.#bar.viewers = hello.viewers;
    if (!this.#ended) this.#bar.show('live', hello.state === 'ended' ? 'loading' : 'live');
    this.#bar.clock(hello.started, hello.now);
    nameDownloads(hello.title);
    const counted = hello.exact && $('log').classList.contains('relative');
    $('log').classList.toggle('relative', !hello.exact);
    if (!hello.exact) this.#bar.programTitle = 'numbers count from the first line shown';
    output.begin(hello, { fresh, skew: this.#bar.skew });
    if (counted && hello.resumed) this.#onCounted(output, hello.line);
    this.showTimes();
  }

  /** Whether the reader is looking at a certain part of the output, which must then not go. */
  get #isReading() {
    const selection = getSelection();
    const selected = selection?.type === 'Range' && $('log').contains(selection.anchorNode);
    const marked = this.log.inView().some((row) => row.element.classList.contains('marked'));
    return $('log').childElementCount > 0 && (!this.log.following || selected || marked || input('query').value !== '');
  }

  /** Stays with the old run until the reader lets it go. The server keeps the output of the new one. */
  #keepOldRun() {
    this.#driver?.close();
    this.#driver = undefined;
    this.#replaced = true;
    if (!this.#ended) this.#bar.show('wait', 'old run');
    notice(this.#standingNotice);
    this.#showPosition();
    announce('run', () => 'another run has started, and this one stays until you follow the end');
  }

  /** Shows the new run in place of the old one. */
  #showNewRun() {
    this.#replaced = false;
    this.#epoch = ''; // the old output goes, whatever the reader is looking at
    this.links?.clear();
    this.#showPosition();
    if (!this.#output) return;
    this.#driver = this.#newDriver(this.#output);
    this.#driver.connect();
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
        output.note(describeFile(event), event.epoch === undefined ? undefined : event);
        if (event.epoch !== undefined) this.#onOtherFile(event.epoch);
        break;
      case 'numbers':
        this.#onCounted(output, event.line);
        break;
      case 'viewers':
        this.#bar.viewers = event.n;
        break;
      case 'exit':
        this.#ended = true;
        output.end(describeEnd(event, this.#kind).words, this.#started + event.durationMs, () => this.#showExit(event));
    }
  }

  /**
   * The lines have been counted, which had numbers from the first one shown.
   * @param {Output} output
   * @param {number} line the number of the line that comes next
   */
  #onCounted(output, line) {
    output.renumber(line);
    $('log').classList.remove('relative');
    this.#bar.programTitle = '';
  }

  /** What follows is from another file, or from one with other content. @param {string} epoch */
  #onOtherFile(epoch) {
    this.#epoch = epoch;
    $('log').classList.remove('relative');
    if (location.hash.startsWith('#L')) this.links?.clear(); // the lines that it means are others now
  }

  /**
   * @param {number} code
   * @param {number} retryMs
   */
  async #onClosed(code, retryMs) {
    if (this.#ended) return;
    if (retryMs < 0) {
      this.#bar.show('ok', 'ended');
      return;
    }
    this.#bar.show('wait', code === FULL ? 'full' : 'reconnecting');
    if (code === FULL) notice('wsrun has as many viewers as it may have; this page tries again.');
    this.#bar.retry(retryMs);
    const before = this.#connections;
    this.#status = await explainDisconnect(this.#bar, () => this.#connections === before, this.#status);
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
    view.show();
    this.#showPosition();
    this.#keepFocus();
    if (this.find) this.find.screen = this.#views.screen && name === 'screen' ? this.#views.screen.search : null;
    const nothing = name === 'log' && output.fullScreen && !this.log.rows.length;
    if (nothing || this.#explained) this.#explain(nothing ? `${this.#title} draws on the whole screen: it has printed no lines. Press v to see the screen.` : '');
  }

  /** Shows a notice that says why there is nothing to see. @param {string} words empty if there is something */
  #explain(words) {
    this.#explained = words !== '';
    notice(words || this.#standingNotice);
  }

  /** @param {boolean} following */
  #onFollow(following) {
    if (following) this.cursor.leave();
    else {
      this.#pausedAt = Date.now() + this.#bar.skew;
      this.links?.forget();
    }
    announce('following', () => (this.log.following ? 'following the end' : 'paused'));
    this.#showPosition();
  }

  /** Shows how far behind the log is in the bar, and how much is new on a button that leads there. */
  #showPosition() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const paused = !this.log.following && this.#viewed === 'log';
    const news = paused ? countNew(this.log, this.#pausedAt) : 0;
    const pill = $('pill');
    pill.hidden = !paused && !this.#replaced;
    if (this.#replaced) pill.textContent = 'A new run has started · Show it';
    else pill.textContent = news ? `${number.format(news)} new ${news === 1 ? 'line' : 'lines'} ↓` : 'to the end ↓';
    this.#bar.behind = paused ? countBelow(this.log) : -1;
    if (pill.hidden) this.#keepFocus();
  }

  /** Gives the log the focus, for the keys that scroll, if what had it is hidden now. */
  #keepFocus() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    if (this.#viewed === 'log' && document.hasFocus() && (!focused || focused === document.body || focused === $('pill') && focused.hidden)) $('log').focus({ preventScroll: true });
  }

  /** @param {Exit} exit */
  #showExit(exit) {
    const { state, how, words } = describeEnd(exit, this.#kind);
    this.#bar.show(state, how);
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

/** The URL of this page's stream. */
function streamURL() {
  const url = new URL(location.href.replace(/^http/, 'ws'));
  url.hash = '';
  // Without this, a file's URL means just its last lines.
  if (!url.searchParams.has('tail')) url.searchParams.set('tail', '1');
  return url.href;
}

/**
 * How a stream ended: in a word for the bar's colour, in words for the bar, and in words with the time it
 * took. A pipe has no status.
 * @param {Exit} exit
 * @param {string} kind the stream's
 * @returns {{state: 'ok' | 'failed' | 'ended', how: string, words: string}}
 */
function describeEnd({ code, signal, durationMs }, kind) {
  const after = `after ${duration(durationMs)}`;
  if (code === null || kind === 'pipe') return { state: 'ended', how: 'input ended', words: `input ended ${after}` };
  if (!code && !signal) return { state: 'ok', how: 'ended', words: `✓ ended ${after}` };
  const how = signal ? `killed by ${signal}` : `failed with exit status ${code}`;
  return { state: 'failed', how, words: `✗ ${how} ${after}` };
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
