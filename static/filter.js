// @ts-check
// What is looked at of a line, in characters.
const LONGEST = 10_000;
// A repetition of a group that repeats or chooses itself: it can take for ever on a
// line of forty characters, and a link can bring it.
const NESTED = /\((?:[^()\\]|\\.)*(?:[*+|]|\{\d)(?:[^()\\]|\\.)*\)(?:[*+]|\{\d+,)/;

/**
 * @typedef {object} Query
 * @property {string} text what to look for; /…/ is a regular expression
 * @property {boolean} matchCase
 * @property {boolean} invert
 */

/**
 * A test of lines by a query, and an expression that finds the hits in one. An
 * error says in words what is wrong with the query.
 * @param {Query} query
 * @returns {{test: (text: string) => boolean, find: RegExp | null} | {error: string}}
 */
export function compile({ text, matchCase, invert }) {
  const regex = /^\/(.*)\/$/s.exec(text);
  let find;
  if (regex && NESTED.test(regex[1].replace(/\\.|\[(?:[^\]\\]|\\.)*\]/g, 'x'))) return { error: 'bad expression: a repetition within a repetition' };
  try {
    find = new RegExp(regex ? regex[1] : text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), `g${matchCase ? '' : 'i'}u`);
  } catch (e) {
    return { error: String(e instanceof Error ? e.message : e).replace(/^Invalid regular expression: /, 'bad expression: ') };
  }
  const once = new RegExp(find.source, find.flags.replace('g', ''));
  return {
    test: (line) => once.test(line.length > LONGEST ? line.slice(0, LONGEST) : line) !== invert,
    find: invert ? null : find,
  };
}

/**
 * The ranges of an element's text that an expression finds.
 * @param {HTMLElement} element
 * @param {RegExp} find with the flag g
 */
export function ranges(element, find) {
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
  for (const match of text.slice(0, LONGEST).matchAll(find)) {
    if (!match[0]) continue;
    const range = document.createRange();
    const place = (/** @type {number} */ at, /** @type {boolean} */ end) => {
      const { node, from } = /** @type {{node: Text, from: number}} */ (nodes.findLast((n) => (end ? n.from < at : n.from <= at)));
      return /** @type {[Text, number]} */ ([node, at - from]);
    };
    range.setStart(...place(match.index, false));
    range.setEnd(...place(match.index + match[0].length, true));
    found.push(range);
  }
  return found;
}
