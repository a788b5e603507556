// @ts-check
import { logIn, sendToken } from './access.js';
import { $, base, input, notice, number } from './dom.js';

// How often the list is asked for, in ms, while it is looked at.
const REFRESH_MS = 3000;
const FRESH_MS = 60_000;

/** @typedef {{path: string, size: number, modified: string}} File */

/** @type {File[]} */
let files = [];
let query = '';

/** @param {number} ms since something happened */
function ago(ms) {
  const s = Math.max(Math.round(ms / 1000), 0);
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.round(s / 60)} min ago`;
  if (s < 86_400) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86_400)} d ago`;
}

/** @param {number} bytes */
function size(bytes) {
  let unit = 0;
  for (; bytes >= 1000 && unit < 4; unit++) bytes /= 1024;
  return `${unit ? bytes.toFixed(1) : bytes} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

/** @param {File} file */
function row(file) {
  const link = document.createElement('a');
  link.href = base + file.path.slice(1).split('/').map(encodeURIComponent).join('/');
  const at = file.path.lastIndexOf('/') + 1;
  const age = Date.now() - Date.parse(file.modified);
  for (const [name, text] of [['name', file.path.slice(at)], ['dir', file.path.slice(0, at)], ['size', size(file.size)], ['time', ago(age)]]) {
    const part = document.createElement('span');
    part.className = name;
    part.textContent = text;
    link.append(part);
  }
  if (age < FRESH_MS) link.classList.add('fresh');
  const item = document.createElement('li');
  item.append(link);
  return item;
}

function show() {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = files.filter((f) => words.every((w) => f.path.toLowerCase().includes(w)));
  const focused = document.activeElement instanceof HTMLAnchorElement ? document.activeElement.getAttribute('href') : null;
  $('files').replaceChildren(...shown.map(row));
  if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`#files a[href="${CSS.escape(focused)}"]`))?.focus();
  $('state').textContent = shown.length === files.length ? `${number.format(files.length)} files` : `${number.format(shown.length)} of ${number.format(files.length)}`;
}

async function refresh() {
  const answer = await fetch(base, { headers: { accept: 'application/json' } }).catch(() => null);
  $('login').hidden = answer?.status !== 401;
  if (answer?.ok) {
    const list = await answer.json();
    files = list.files;
    notice(list.cut ? 'There are more files than these.' : '');
    show();
  } else if (!answer) {
    notice('wsrun does not answer: it was stopped, or the network is down. This page goes on trying.');
  }
}

input('query').addEventListener('input', () => {
  query = input('query').value;
  show();
});
document.addEventListener('keydown', (e) => {
  const links = /** @type {HTMLAnchorElement[]} */ ([...document.querySelectorAll('#files a')]);
  const at = links.indexOf(/** @type {HTMLAnchorElement} */ (document.activeElement));
  if (e.key === 'ArrowDown') links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (e.key === 'ArrowUp') (at > 0 ? links[at - 1] : input('query')).focus();
  else if (e.key === 'Enter' && document.activeElement === input('query')) links[0]?.click();
  else if (e.key === '/' && document.activeElement !== input('query')) input('query').focus();
  else return;
  e.preventDefault();
});
$('login').addEventListener('submit', async (e) => {
  e.preventDefault();
  if (await sendToken(input('token').value)) refresh();
});
addEventListener('hashchange', async () => { if (await logIn()) refresh(); });

await logIn();
await refresh();
input('query').focus();
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
