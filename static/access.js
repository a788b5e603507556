// @ts-check
/** @import { Bar } from './bar.js' */
import { $, base, input, notice } from './dom.js';

// wsrun asks for a user and a password, and not for a token.
const byUser = document.querySelector('meta[name=login]')?.getAttribute('content') === 'password';
if (byUser) {
  $('ask').textContent = 'This address needs a user and a password.';
  $('ask').setAttribute('for', 'user');
  $('user').hidden = false;
  input('token').autocomplete = 'current-password';
  input('token').placeholder = 'password';
  $('token').setAttribute('aria-label', 'password');
}

/** Exchanges a token in the URL's fragment for a cookie, and hides it. Reports whether the token was right. */
export async function logIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return false;
  history.replaceState(null, '', location.pathname + location.search);
  return send({ token });
}

/** Exchanges what the form holds for a cookie, and reports whether it was right. */
export async function sendForm() {
  const secret = input('token').value;
  const right = await send(byUser ? { user: input('user').value, password: secret } : { token: secret });
  if (right) {
    input('token').value = '';
    notice('');
  }
  return right;
}

/**
 * Logs in, and reports whether that worked.
 * @param {Record<string, string>} form
 */
async function send(form) {
  const status = await fetch(`${base}-/login`, { method: 'POST', body: new URLSearchParams(form) }).then((r) => r.status, () => 0);
  if (status === 401) notice(byUser ? 'That user or password is not right.' : 'That token is not right.');
  if (status === 429) notice('There were too many tries: wait a second.');
  return status === 204;
}

/**
 * Shows why there is no connection and what to do about it. A WebSocket doesn't say.
 * Returns the status of wsrun's answer, 0 if there was none.
 * @param {Bar} bar
 * @param {() => boolean} isDisconnected reports whether there is still no connection
 * @param {number | undefined} explained the status that was explained last, which needs no
 *   other notice
 */
export async function explainDisconnect(bar, isDisconnected, explained) {
  const status = await fetch(`${base}-/status`).then((r) => r.status, () => 0);
  if (!isDisconnected()) return undefined;
  $('login').hidden = status !== 401;
  if (status === 401) bar.show('wait', byUser ? 'password needed' : 'token needed');
  if (status === explained) return status;
  if (status === 0 || status > 500) notice('wsrun does not answer: it was stopped, or the network is down. This page goes on trying.');
  if (status === 421) notice('wsrun does not serve this host name: start it with --allow-host.');
  if (status === 403) notice('wsrun does not serve pages of this origin: start it with --allow-origin.');
  return status;
}
