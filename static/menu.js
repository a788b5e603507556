// @ts-check
/** @import { App } from './app.js' */
/** @import { LogView } from './log.js' */
import { $, base, dialog, fileName, notice, number } from './dom.js';
import { lineNodes } from './line-nodes.js';
import { textOf } from './log.js';

// A server that takes longer than this to answer is as good as gone.
const ANSWER_MS = 5000;

/** Shows the address, to share it. */
export function share() {
  const url = new URL(location.href);
  const link = /** @type {HTMLAnchorElement} */ ($('share-url'));
  link.href = link.textContent = url.href;
  /** @type {HTMLImageElement} */ ($('share-qr')).src = `${base}-/qr?text=${encodeURIComponent(url.href)}`;
  const tooLong = new TextEncoder().encode(url.href).length > 500; // for /-/qr, and for cameras
  $('share-qr').hidden = tooLong;
  const local = /^(localhost|127\.|\[::1\])/.test(url.host);
  $('share-note').textContent = local
    ? 'Only this machine can open it: start wsrun with --addr :9000 to let others in.'
    : 'If wsrun printed a token with its URL, others need that as well.';
  dialog('share').showModal();
}

/** Copies text to the clipboard. @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not a secure context
    const area = document.body.appendChild(document.createElement('textarea'));
    area.value = text;
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

/** The text of all lines. @param {LogView} log */
export function allText({ rows, held, settled }) {
  return [...rows.slice(0, settled).filter((r) => !r.gap).map((r) => r.text), ...held.map(textOf)].map((text) => `${text}\n`).join('');
}

/**
 * Downloads the stream from the server; or, if the server is gone or has another run by
 * now, the text that this page has.
 * @param {'text' | 'raw'} kind
 * @param {App} app
 */
export async function download(kind, { log, epoch }) {
  const link = /** @type {HTMLAnchorElement} */ (/** @type {Element} */ (document.querySelector(`.get-${kind}`)).cloneNode());
  const why = await whyNot(epoch);
  if (!why) return link.click();
  if (kind === 'raw') return notice(`${why}, and this page has no bytes of the output: download it as text or HTML.`);
  save(allText(log), 'text/plain', link.download);
  const has = log.rows.slice(0, log.settled).filter((r) => r.n).length + log.held.length;
  const last = log.held.findLast((line) => line.n)?.n ?? log.rows.findLast((r) => r.n)?.n ?? 0;
  const lines = last > has ? `${number.format(has)} of ${number.format(last)} lines` : 'all lines';
  notice(`${why}: the download is what this page has, ${lines} that it got.`);
}

/**
 * Why the server has not got the output of this page, in words; empty if it has.
 * @param {string} epoch of the output
 */
async function whyNot(epoch) {
  const url = new URL(location.href);
  url.search = '?format=status';
  const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => undefined);
  if (!answer) return 'wsrun does not answer';
  if (!answer.ok) return `wsrun answers with ${answer.status}`;
  const status = await answer.json().catch(() => ({}));
  return (status.epoch ?? epoch) === epoch ? '' : 'A new run has started';
}

/**
 * Downloads what the page made.
 * @param {string} content
 * @param {string} type
 * @param {string} name
 */
function save(content, type, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Downloads the log as a page of its own.
 * @param {LogView} log
 * @param {string} title
 */
export async function saveHTML(log, title) {
  const { toHTML } = await import('./export.js');
  const held = log.held.map((line) => {
    const element = document.createElement('div');
    element.append(...lineNodes(line, textOf(line)));
    return { n: line.n, element };
  });
  save(toHTML([...log.rows.slice(0, log.settled), ...held], title), 'text/html', `${fileName(title)}.html`);
}

/** Asks for permission to show notifications, and reports whether there is one. */
export async function allowNotifications() {
  if (!('Notification' in window)) {
    notice('This browser shows no notifications here.');
    return false;
  }
  if (await Notification.requestPermission() === 'granted') return true;
  notice('Notifications are blocked: allow them in the browser’s settings of this site.');
  return false;
}
