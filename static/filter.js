// @ts-check
// Only the start of a longer line, in characters, is searched.
const MAX_LENGTH = 10_000;
// A repeated group that has a repetition or a choice in it. It can take for ever on a
// line of forty characters, and a stranger's link can hold one.
const NESTED = /\((?:[^()\\]|\\.)*(?:[*+|]|\{\d)(?:[^()\\]|\\.)*\)(?:[*+]|\{\d+,)/;

/**
 * @typedef {object} Query
 * @property {string} text what to look for; /…/ is a regular expression
 * @property {boolean} matchCase
 * @property {boolean} invert whether the hits are the lines that do not match
 */

/**
 * Compiles a query to a test, which reports whether a line is a hit, and an expression
 * that finds what to highlight in one. The error is for the reader.
 * @param {Query} query
 * @returns {{test: (text: string) => boolean, expression: RegExp | null} | {error: string}}
 */
export function compile({ text, matchCase, invert }) {
  const regex = /^\/(.*)\/$/s.exec(text);
  let expression;
  if (regex && NESTED.test(regex[1].replace(/\\.|\[(?:[^\]\\]|\\.)*\]/g, 'x'))) {
    return { error: 'bad expression: a repetition within a repetition' };
  }
  try {
    expression = new RegExp(regex ? regex[1] : text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), `g${matchCase ? '' : 'i'}u`);
  } catch (e) {
    return { error: String(e instanceof Error ? e.message : e).replace(/^Invalid regular expression: /, 'bad expression: ') };
  }
  const once = new RegExp(expression.source, expression.flags.replace('g', ''));
  return {
    test: (line) => once.test(line.length > MAX_LENGTH ? line.slice(0, MAX_LENGTH) : line) !== invert,
    expression: invert ? null : expression,
  };
}

/**
 * The ranges of an element's text that an expression finds.
 * @param {HTMLElement} element
 * @param {RegExp} expression with the flag g
 */
export function ranges(element, expression) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  /** @type {{node: Text, from: number}[]} */
  const nodes = [];
  let text = '';
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push({ node: /** @type {Text} */ (node), from: text.length });
    text += node.nodeValue;
  }
  /** @type {Range[]} */
  const found = [];
  for (const [start, end] of matches(text, expression)) {
    const range = document.createRange();
    const first = nodes.findLast((n) => n.from <= start);
    const last = nodes.findLast((n) => n.from < end);
    if (!first || !last) continue; // never: a match has text, and text has nodes
    range.setStart(first.node, start - first.from);
    range.setEnd(last.node, end - last.from);
    found.push(range);
  }
  return found;
}

/**
 * Where an expression finds something in a line: the start and the end of each match.
 * @param {string} text
 * @param {RegExp} expression with the flag g
 * @returns {[number, number][]}
 */
export function matches(text, expression) {
  return [...text.slice(0, MAX_LENGTH).matchAll(expression)].filter((m) => m[0]).map((m) => [m.index, m.index + m[0].length]);
}
