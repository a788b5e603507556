// @ts-check
/** @import { Line } from './lines.js' */
import { apply } from './style.js';

const URLS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u0020]+/g;

/**
 * The nodes that show a line: text, with elements only where there is something to see.
 * @param {Line} line
 * @param {string} text
 */
export function lineNodes(line, text) {
  if (!text) return [document.createElement('br')];
  if (!text.includes('://') && line.runs.every((r) => !r.style && !r.columns)) return [text];
  const urls = text.includes('://') ? [...text.matchAll(URLS)].map((m) => ({ from: m.index, url: trimmed(m[0]) })) : [];
  const nodes = [];
  let at = 0;
  let next = 0; // the first URL that may reach into the run
  for (const run of line.runs) {
    const end = at + run.text.length;
    if (run.columns) {
      nodes.push(tabNode(run.columns));
      at = end;
      continue;
    }
    for (let from = at; from < end;) {
      while (next < urls.length && urls[next].from + urls[next].url.length <= from) next++;
      const url = urls[next]?.from < end ? urls[next] : undefined;
      const inside = url && from >= url.from;
      const to = !url ? end : inside ? Math.min(end, url.from + url.url.length) : url.from;
      nodes.push(runNode(text.slice(from, to), run.style, run.link || (inside ? url.url : '')));
      from = to;
    }
    at = end;
  }
  return nodes;
}

/**
 * A URL without the punctuation of the sentence that it is in.
 * @param {string} url
 */
function trimmed(url) {
  let end = url.length;
  while (/[.,;:!?)\]}]/.test(url[end - 1])) {
    const closes = { ')': '(', ']': '[', '}': '{' }[url[end - 1]];
    if (closes && url.slice(0, end).includes(closes)) break;
    end--;
  }
  return url.slice(0, end);
}

/** A tab of unusual width. @param {number} columns */
function tabNode(columns) {
  const element = document.createElement('span');
  element.className = 'tab';
  element.style.setProperty('--columns', String(columns));
  element.textContent = '\t';
  return element;
}

/**
 * A run's node.
 * @param {string} text
 * @param {string} style
 * @param {string} link
 */
function runNode(text, style, link) {
  if (!style && !link) return text;
  const element = document.createElement(link ? 'a' : 'span');
  if (element instanceof HTMLAnchorElement) {
    element.href = link;
    element.target = '_blank';
    element.rel = 'noopener noreferrer';
  }
  apply(element, style);
  element.textContent = text;
  return element;
}
