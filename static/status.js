// @ts-check
import { $ } from './dom.js';

// Screen readers read each message aloud, so there must not be many.
const INTERVAL_MS = 1000;
// What happens together is announced together.
const DELAY_MS = 200;

/** @type {Map<string, () => string>} what is to be announced, by topic */
const waiting = new Map();
let announcedAt = -Infinity;

/**
 * Announces something to the users of screen readers, soon. If there is more to say about
 * the topic by then, only the last of it is announced.
 * @param {string} topic
 * @param {() => string} words called at that time
 */
export function announce(topic, words) {
  if (!waiting.size) setTimeout(speak, Math.max(DELAY_MS, announcedAt + INTERVAL_MS - performance.now()));
  waiting.set(topic, words);
}

function speak() {
  announcedAt = performance.now();
  const words = [...waiting.values()].map((of) => of()).filter(Boolean).join('. ');
  waiting.clear();
  if ($('status').textContent !== words) $('status').textContent = words; // not each try to reconnect
}
