import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { TerminalWriter } from '../terminal-writer.js';
import { Lines, SCROLLBACK } from '../lines.js';

const { Terminal } = createRequire(import.meta.url)('@xterm/headless');

/** A terminal writer and its lines, as in the page. */
function make(cols = 80, rows = 24) {
  const terminal = new Terminal({ cols, rows, scrollback: SCROLLBACK, allowProposedApi: true });
  const lines = new Lines(terminal);
  const writer = new TerminalWriter(terminal, { begin: (s, ms) => lines.begin(s, ms), end: () => lines.end() }, () => {});
  lines.restart(1, 0);
  const parsed = () => new Promise((resolve) => writer.after(resolve));
  return { terminal, lines, writer, parsed, write: (text, ms = 1) => writer.write(Buffer.from(text), ms) };
}

const textOf = (lines) => lines.map((l) => l.runs.map((r) => r.text).join(''));

/** A line's text with spaces in place of tabs, as many as the tabs are wide. */
function spread(line) {
  let [text, columns] = ['', 0];
  for (const run of line.runs) {
    for (const c of run.text) {
      const width = c === '\t' ? run.columns ?? 8 - columns % 8 : /\p{M}/u.test(c) ? 0 : /[\u3000-\u9fff\uac00-\ud7a3]/.test(c) ? 2 : 1;
      text += c === '\t' ? ' '.repeat(width) : c;
      columns += width;
    }
  }
  return text;
}

async function all(text, cols, rows) {
  const { lines, write, parsed } = make(cols, rows);
  write(text);
  await parsed();
  return [...lines.done(), ...lines.tail()];
}

test('lines that the terminal wrapped are one', async () => {
  const long = 'x'.repeat(10_000);
  assert.deepEqual(textOf(await all(`a\r\n${long}\r\nb\r\n`)), ['a', long, 'b']);
  assert.deepEqual(textOf(await all(`${'y'.repeat(79)}漢字\r\n`)), [`${'y'.repeat(79)}漢字`]);
});

test('tabs stay tabs, but not where text was written over them', async () => {
  assert.deepEqual(textOf(await all('a\tb\t\tc\r\n\t\r\n\x1b[31mred\t\x1b[32mgreen\x1b[m\r\n')), ['a\tb\t\tc', '\t', 'red\tgreen']);
  assert.deepEqual(textOf(await all('a\tb\rcdef\r\na\tb\r\x1b[3Cx\r\n1\tb\r\x1b[K2\r\n\x1b[8Cmoved\r\n')), ['cdef    b', 'a  x    b', '2', '        moved']);
  const [unusual] = await all('\x1b[3g\x1b[5G\x1bH\r1\ty\r\n');
  assert.deepEqual(unusual.runs.map((r) => [r.text, r.columns]), [['1', undefined], ['\t', 3], ['y', undefined]]);
  const { lines, write, parsed } = make(80, 5);
  write('a\tb\r\n');
  await parsed();
  lines.resize(40, 9);
  write('c\td');
  await parsed();
  assert.deepEqual(textOf([...lines.done(), ...lines.tail()]), ['a\tb', 'c\td']);
});

test('a progress bar of several lines, as a build of an image shows it', async () => {
  let text = 'start\r\n';
  for (let i = 0; i <= 100; i += 10) text += `${i ? '\x1b[3A' : ''}${[1, 2, 3].map((n) => `\x1b[2Klayer ${n} ${i} %\r\n`).join('')}`;
  assert.deepEqual(textOf(await all(`${text}done\r\n`)), ['start', 'layer 1 100 %', 'layer 2 100 %', 'layer 3 100 %', 'done']);
});

test('numbers are those of the newlines, as wc has them', async () => {
  const numbers = async (text) => (await all(text)).map((l) => l.n);
  assert.deepEqual(await numbers('a\r\nb\r\nc'), [1, 2, 3]);
  assert.deepEqual(await numbers(`${'x'.repeat(200)}\r\nb\r\n`), [1, 2]);
  assert.deepEqual(await numbers('\x1b]0;a\ntitle\x07a\r\nb\r\nc\r\n'), [1, 3, 4]);
  assert.deepEqual(await numbers('a\vb\r\nc\r\nd\r\n'), [1, 0, 2, 3]);
  const many = Array.from({ length: 3000 }, (_, i) => `${i + 1}`);
  assert.deepEqual((await all(`${many.join('\r\n')}\r\n`)).map((l) => `${l.n}`), many);
  // Overwritten lines keep their first number, and so do the lines after them.
  assert.deepEqual(await numbers('a\r\nb\r\nc\r\n\x1b[3AA\r\nB\r\nC\r\nd\r\n'), [1, 2, 3, 7]);
});

test('times are when a line began', async () => {
  const { lines, write, parsed } = make();
  write('a\r\nb', 10);
  write('b\r\nc\r\n', 20);
  write('d\r\n', 30);
  await parsed();
  assert.deepEqual(lines.tail().map((l) => l.ms), [10, 10, 20, 30]);
});

test('styles and links', async () => {
  const link = '\x1b]8;;https://x.example/a\x1b\\a link\x1b]8;;\x1b\\';
  const [line, over] = await all(`p\x1b[1;31mred\x1b[0m ${link} \x1b[38;2;1;2;3;48;5;208mrgb\r\n\x1b[0m${link}\rover\r\n`);
  assert.deepEqual(line.runs.map((r) => [r.text, r.style, r.link]), [
    ['p', '', ''], ['red', 'f1 bold', ''], [' ', '', ''], ['a link', 'under', 'https://x.example/a'], [' ', '', ''],
    ['rgb', 'f#010203 b#ff8700', ''],
  ]);
  assert.deepEqual(over.runs.map((r) => [r.text, r.link]), [['over', ''], ['nk', 'https://x.example/a']]);
  for (const uri of ['javascript:alert(1)', 'data:text/html,x', ' https://x', 'file:///etc/passwd']) {
    const [bad] = await all(`\x1b]8;;${uri}\x1b\\text\x1b]8;;\x1b\\\r\n`);
    assert.ok(bad.runs.every((r) => !r.link), uri);
  }
});

test('the alternate screen and a reset leave the lines alone', async () => {
  const text = `a\r\nb\r\n\x1b[?1049h\x1b[Hfull\x1b[5;5Hscreen\n\n\n\x1b[?1049lc\r\n`;
  assert.deepEqual(textOf(await all(text)), ['a', 'b', 'c']);
  const { lines, write, parsed } = make(80, 5);
  write(`${Array.from({ length: 20 }, (_, i) => i).join('\r\n')}\x1bcafter\r\n`);
  await parsed();
  assert.deepEqual([textOf(lines.done()), textOf(lines.tail())], [Array.from({ length: 15 }, (_, i) => `${i}`), ['after']]);
  write(`${Array.from({ length: 20 }, (_, i) => i).join('\r\n')}\x1b[H\x1b[2J\x1b[3Jcleared\r\n`);
  await parsed();
  assert.deepEqual([textOf(lines.done()).length, textOf(lines.tail())], [16, ['cleared']]);
});

test('a line without end is given in pieces', async () => {
  const lines = await all('z'.repeat(200_000));
  assert.equal(textOf(lines).join(''), 'z'.repeat(200_000));
  assert.ok(lines.length > 2 && lines.every((l) => l.runs[0].text.length < 70_000));
});

/** Pseudo-random numbers, the same each time. */
function random(seed) {
  return (n) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return Math.floor(seed / 65536) % n;
  };
}

const WORDS = ['alpha', 'beta', 'x', '漢字', 'é', 'e\u0301', '  ', '—', '0123456789'.repeat(4), '한국어'];

/** A stream as written by programs that print lines and redraw some of them. */
function stream(r) {
  let s = '';
  for (let i = 0; i < 60 + r(300); i++) {
    switch (r(14)) {
      case 0: s += `\x1b[${[0, 1, 4, 7, 31, 42, 90, 107][r(8)]}m`; break;
      case 1: s += `\x1b[38;5;${r(256)}m`; break;
      case 2: s += '\r'; break;
      case 3: s += '\b'.repeat(1 + r(5)); break;
      case 4: s += `\x1b[${r(3)}K`; break;
      case 5: s += `\x1b[${1 + r(4)}A`; break;
      case 6: s += `\x1b[${1 + r(4)}B`; break;
      case 7: s += '\t'; break;
      case 8: s += '\n'; break;
      case 9: case 10: s += '\r\n'; break;
      default: s += WORDS[r(WORDS.length)];
    }
  }
  return s;
}

/** The text of a terminal that has kept all lines. */
async function oracle(text, cols, rows) {
  const terminal = new Terminal({ cols, rows, scrollback: 100_000, allowProposedApi: true });
  await new Promise((resolve) => terminal.write(text, resolve));
  const lines = [];
  const buffer = terminal.buffer.normal;
  for (let y = 0; y < buffer.length; y++) {
    const row = buffer.getLine(y);
    // If a wide character did not fit, the last cell is empty, not blank.
    const end = buffer.getLine(y + 1)?.isWrapped && row.getCell(cols - 1).getCode() === 0 && buffer.getLine(y + 1).getCell(0).getWidth() === 2 ? cols - 1 : cols;
    const part = row.translateToString(false, 0, end);
    if (row.isWrapped && lines.length) lines[lines.length - 1] += part;
    else lines.push(part);
  }
  const trimmed = lines.map((l) => l.trimEnd());
  while (trimmed.at(-1) === '') trimmed.pop();
  return trimmed;
}

test('the screen erased, lines go on with their numbers', async () => {
  assert.deepEqual((await all('a\r\nb\r\n\x1b[H\x1b[2JA\r\nB\r\n')).map((l) => [l.n, l.runs[0].text]), [[3, 'A'], [4, 'B']]);
  const { lines, write, parsed } = make(80, 5);
  write(`${Array.from({ length: 20 }, (_, i) => i + 1).join('\r\n')}\r\n\x1b[H\x1b[2J`);
  write('A\r\nB\r\n');
  await parsed();
  assert.deepEqual([...lines.done(), ...lines.tail()].map((l) => l.n).slice(-3), [16, 21, 22]);
});

test('resizes keep lines and their numbers', async () => {
  const { lines, write, parsed } = make(120, 30);
  const long = (i) => `L${i} ${'0'.repeat(100)}`;
  for (let i = 1; i <= 8; i++) write(`${long(i)}\r\n`);
  await parsed();
  lines.resize(40, 12);
  lines.end();
  write('after1\r\n');
  await parsed();
  lines.resize(120, 30);
  lines.end();
  write('after2\r\n');
  await parsed();
  const got = [...lines.done(), ...lines.tail()];
  assert.deepEqual(textOf(got), [...[1, 2, 3, 4, 5, 6, 7, 8].map(long), 'after1', 'after2']);
  assert.deepEqual(got.map((l) => l.n), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('oracle: the text is that of a terminal that has kept everything', async () => {
  for (let seed = 1; seed <= 400; seed++) {
    const r = random(seed * 7919);
    const text = stream(r);
    const [cols, rows] = [10 + r(100), 2 + r(30)];
    const { lines, writer, parsed } = make(cols, rows);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) {
      const n = 1 + r(40);
      writer.write(bytes.subarray(at, at + n), 1);
      at += n;
      if (r(4)) continue;
      await parsed();
      lines.tail(); // reading must change nothing
    }
    await parsed();
    const got = [...lines.done(), ...lines.tail()].map((l) => spread(l).trimEnd());
    while (got.at(-1) === '') got.pop();
    assert.deepEqual(got, await oracle(text, cols, rows), `seed ${seed}`);
  }
});
