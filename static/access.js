// @ts-check
/** @import { Bar } from './bar.js' */
import { $, base, notice } from './dom.js';

/** Turns a token in the URL's fragment into a cookie, and hides it. Whether it was right. */
export async function logIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return false;
  history.replaceState(null, '', location.pathname + location.search);
  return sendToken(token);
}

/** @param {string} token */
export async function sendToken(token) {
  const status = await fetch(`${base}-/login`, { method: 'POST', body: new URLSearchParams({ token }) }).then((r) => r.status, () => 0);
  if (status === 401) notice('That token is not right.');
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
  if (status === 401) bar.show('wait', 'token needed');
  if (status === 0 || status > 500) notice('wsrun does not answer: it was stopped, or the network is down. This page goes on trying.');
  if (status === 421) notice('wsrun does not serve this host name: start it with --allow-host.');
  if (status === 403) notice('wsrun does not serve pages of this origin: start it with --allow-origin.');
}
