// @ts-check
/** @import { Bar } from './bar.js' */
import { $, base, input, notice } from './dom.js';

const byUser = document.querySelector('meta[name=login]')?.getAttribute('content') === 'password';
if (byUser) {
  $('ask').textContent = 'This address needs a user and a password.';
  $('ask').setAttribute('for', 'user');
  $('user').hidden = false;
  input('token').autocomplete = 'current-password';
  input('token').placeholder = 'password';
  $('token').setAttribute('aria-label', 'password');
}

/** Turns a token in the URL's fragment into a cookie, and hides it. Whether it was right. */
export async function logIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return false;
  history.replaceState(null, '', location.pathname + location.search);
  return send({ token });
}

/** Sends what the form holds, in exchange for a cookie. Whether it was right. */
export async function sendForm() {
  const secret = input('token').value;
  const right = await send(byUser ? { user: input('user').value, password: secret } : { token: secret });
  if (right) {
    input('token').value = '';
    notice('');
  }
  return right;
}

/** @param {Record<string, string>} form */
async function send(form) {
  const status = await fetch(`${base}-/login`, { method: 'POST', body: new URLSearchParams(form) }).then((r) => r.status, () => 0);
  if (status === 401) notice(byUser ? 'That user or password is not right.' : 'That token is not right.');
  if (status === 429) notice('There were too many tries: wait a second.');
  return status === 204;
}

/**
 * Says why there is no connection, and what to do, which a WebSocket can't tell.
 * @param {Bar} bar
 * @param {() => boolean} wanted whether there is still no connection
 */
export async function explain(bar, wanted) {
  const status = await fetch(`${base}-/status`).then((r) => r.status, () => 0);
  if (!wanted()) return;
  $('login').hidden = status !== 401;
  if (status === 401) bar.show('wait', byUser ? 'password needed' : 'token needed');
  if (status === 0 || status > 500) notice('wsrun does not answer: it was stopped, or the network is down. This page goes on trying.');
  if (status === 421) notice('wsrun does not serve this host name: start it with --allow-host.');
  if (status === 403) notice('wsrun does not serve pages of this origin: start it with --allow-origin.');
}
