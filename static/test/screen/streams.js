// Streams that no program prints, though one could.
import { random } from './replay.js';

const WORDS = ['alpha', 'beta gamma ', 'x', '漢字', 'é', 'e\u0301', 'a\u0308\u0323', '—', '0123456789', '한국어', '👍🏽', '👨‍👩‍👧', '🇩🇪', '❤️', '─│┌', '\u200b', 'ｗ'];
const COLOURS = ['31', '39', '42', '49', '94', '103', '38;5;200', '48;5;17', '38;2;1;2;3', '48;2;250;0;128', '38:2::9:8:7', '38:5:99', '58;5;9', '58:2::1:2:3', '59'];
const ATTRIBUTES = ['', '0', '1', '2', '3', '4', '4:0', '4:2', '4:3', '4:4', '4:5', '5', '7', '8', '9', '21', '22', '23', '24', '25', '27', '28', '29', '53', '55', '1;4;7'];

/**
 * The pieces of a stream, by name. The pieces for lines come first: with these alone, what is shown
 * doesn't depend on lines that are not kept.
 * @type {Record<string, (r: (n: number) => number, cols: number, rows: number) => string>}
 */
const PIECES = {
  words: (r) => WORDS[r(WORDS.length)].repeat(1 + r(2)),
  'line end': () => '\r\n',
  colours: (r) => `\x1b[${COLOURS[r(COLOURS.length)]}m`,
  attributes: (r) => `\x1b[${ATTRIBUTES[r(ATTRIBUTES.length)]}m`,
  tab: () => '\t',
  'carriage return': () => '\r',
  'erase in line': (r) => `\x1b[${r(3)}K`,
  charset: (r) => ['\x1b(0', '\x1b(B', '\x1b)0', '\x0e', '\x0f', '\x1b(A', 'lqqk'][r(7)],
  hyperlink: (r) => ['\x1b]8;;http://a.example/x\x1b\\', '\x1b]8;id=1;http://b.example\x07', '\x1b]8;;\x07'][r(3)],
  title: (r) => [`\x1b]0;title ${r(9)}\x07`, `\x1b]2;漢 ${r(9)}\x1b\\`, '\x1b[22;0t', '\x1b[23;0t'][r(4)],
  'cursor shown': (r) => ['\x1b[?25l', '\x1b[?25h'][r(2)],
  'autowrap': (r) => ['\x1b[?7l', '\x1b[?7h', '\x1b[?7h'][r(3)],
  'other modes': (r) => `\x1b[?${[1, 12, 45, 66, 1000, 1002, 1006, 1004, 2004][r(9)]}${'hl'[r(2)]}${['', '\x1b=', '\x1b>'][r(3)]}`,
  'cursor style': (r) => `\x1b[${r(7)} q`,
  unknown: (r) => ['\x1b[?999h', '\x1bP+q544e\x1b\\', '\x1b_x\x1b\\', '\x1b[>4;2m', '\x1b[=1u', '\x1b]1337;x=y\x07', '\x1b[>1u', '\x1b[<u'][r(8)],
  query: (r) => ['\x1b[c', '\x1b[>c', '\x1b[6n', '\x1b[5n', '\x1b]10;?\x07', '\x1b[?2004$p', '\x1bP$qm\x1b\\'][r(7)],
  'insert mode': (r) => ['\x1b[4h', '\x1b[4l', '\x1b[4l'][r(3)],
  'tab stops': (r) => ['\x1bH', '\x1b[g', '\x1b[3g', '\x1b[2I', '\x1b[Z'][r(5)],
  'insert, delete, erase characters': (r) => `\x1b[${1 + r(4)}${'@PX'[r(3)]}`,
  repeat: (r) => `y\x1b[${1 + r(5)}b`,
  'C0 in a sequence': (r) => ['\x1b[3\r1m', '\x1b[3\x18', '\x1b[1\x1b[0m', '\x1b\x7f7'][r(4)],
  'not UTF-8': (r) => ['\xff', '\xc3', '\xe4\xb8', '\xf0\x9f', '\x80'][r(5)],

  'cursor, absolute': (r, cols, rows) => [`\x1b[${1 + r(rows + 1)};${1 + r(cols + 1)}H`, '\x1b[H', `\x1b[${1 + r(rows)}d`, `\x1b[${1 + r(cols)}G`, `\x1b[${1 + r(rows)};${1 + r(cols)}f`][r(5)],
  'cursor, relative': (r) => `\x1b[${1 + r(4)}${'ABCDEFa'[r(7)]}`,
  backspace: () => '\b\b',
  index: (r) => ['\x1bM', '\x1bD', '\x1bE', '\n', '\x1bM'][r(5)],
  margins: (r, _, rows) => [`\x1b[${1 + r(rows - 1)};${2 + r(rows)}r`, '\x1b[r', `\x1b[2;${rows - 1}r`][r(3)],
  origin: (r) => ['\x1b[?6h', '\x1b[?6l', '\x1b[?6l'][r(3)],
  'saved cursor': (r) => ['\x1b7', '\x1b8', '\x1b[s', '\x1b[u'][r(4)],
  'erase in display': (r) => `\x1b[${r(3)}J`,
  'erase scrollback': () => '\x1b[3J',
  'insert, delete lines': (r) => `\x1b[${1 + r(3)}${'LM'[r(2)]}`,
  scroll: (r) => `\x1b[${1 + r(3)}${'ST'[r(2)]}`,
  columns: (r) => `\x1b[${1 + r(3)}${[`'}`, `'~`, ' @', ' A'][r(4)]}`,
  'selective erasure': (r) => ['\x1b[1"q', '\x1b[0"q', '\x1b[?2J', '\x1b[?K'][r(4)],
  align: () => '\x1b#8',
  'soft reset': () => '\x1b[!p',
  reset: () => '\x1bc',
  'alternate screen': (r) => `\x1b[?${[47, 1047, 1049, 1049][r(4)]}${'hhl'[r(3)]}`,
  'cursor saved by mode': (r) => `\x1b[?1048${'hl'[r(2)]}`,
};
export const KINDS = Object.keys(PIECES);
const LINES = KINDS.indexOf('cursor, absolute');
// Common in programs, so common here.
const COMMON = ['words', 'words', 'words', 'colours', 'attributes', 'line end'];
const SCREEN = ['cursor, absolute', 'cursor, absolute', 'cursor, relative', 'erase in line'];

/**
 * A stream of pieces, the same for the same seed.
 * @param {number} seed
 * @param {{cols: number, rows: number, pieces: number, screen: boolean}} of screen: more than lines
 * @returns {{kind: string, bytes: Buffer}[]}
 */
export function stream(seed, { cols, rows, pieces, screen }) {
  const r = random(seed * 7919);
  // Only a few kinds at a time, because otherwise everything soon meets a reset.
  const kinds = KINDS.slice(0, screen ? undefined : LINES).filter(() => r(3) === 0);
  const all = [];
  const add = (kind, text) => all.push({ kind, bytes: Buffer.from(text, kind === 'not UTF-8' ? 'latin1' : 'utf8') });
  for (let i = 0; i < pieces; i++) {
    if (screen && i === 20) {
      if (r(3)) add('alternate screen', `\x1b[?${[47, 1047, 1049][r(3)]}h`);
      else add('erase in display', '\x1b[H\x1b[2J');
    }
    const from = r(10) < 6 ? COMMON : screen && r(3) === 0 ? SCREEN : kinds.length ? kinds : COMMON;
    const kind = from[r(from.length)];
    add(kind, PIECES[kind](r, cols, rows));
  }
  return all;
}

/**
 * Reduces pieces to the fewest that still have a fault.
 * @template T
 * @param {T[]} pieces
 * @param {(pieces: T[]) => Promise<boolean>} faulty
 */
export async function least(pieces, faulty) {
  for (let size = Math.ceil(pieces.length / 2); ; size = Math.ceil(size / 2)) {
    for (let at = 0; at < pieces.length;) {
      const without = pieces.toSpliced(at, size);
      if (without.length && await faulty(without)) pieces = without;
      else at += size;
    }
    if (size === 1) return pieces;
  }
}
