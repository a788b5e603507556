// @ts-check
/** @import { LogView } from './log.js' */
import { $, base, dialog, fileName, notice } from './dom.js';

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
export const allText = (log) => log.rows.filter((r) => !r.gap).map((r) => `${r.text}\n`).join('');

/**
 * Downloads the log as a page of its own.
 * @param {LogView} log
 * @param {string} title
 */
export async function saveHTML(log, title) {
  const { toHTML } = await import('./export.js');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([toHTML(log.rows, title)], { type: 'text/html' }));
  link.download = `${fileName(title)}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
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
