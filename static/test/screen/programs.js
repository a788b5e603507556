// Real programs and the keys that drive them.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const page = join(here, '../..');
const ESC = '\x1b';
const [UP, DOWN, LEFT, RIGHT, PAGE_UP, PAGE_DOWN] = ['[A', '[B', '[D', '[C', '[5~', '[6~'].map((k) => ESC + k);
const F = (n) => ESC + [, 'OP', 'OQ', 'OR', 'OS', '[15~', '[17~', '[18~', '[19~', '[20~', '[21~'][n];
const prefix = '\x02'; // tmux's

/**
 * A program. Steps are keys, typed once the program is quiet, or sizes.
 * @typedef {object} Program
 * @property {string} name
 * @property {string[]} argv
 * @property {(string | [number, number])[]} [steps]
 * @property {number} [times] how often to wait until it is quiet before it ends on its own
 * @property {boolean} [alone] must not run twice at the same time
 */

/**
 * @param {string} dir an empty directory to work in
 * @param {number} cols
 * @param {number} rows
 * @returns {Program[]}
 */
export function programs(dir, cols, rows) {
  for (const file of ['output.js', 'style.css', 'index.html']) cpSync(join(page, file), join(dir, file));
  writeFileSync(join(dir, 'wide.txt'), Array.from({ length: 150 }, (_, i) => `${i} ${'漢字 e\u0301 naïve — ٣ '.repeat(i % 9)}\tend`).join('\n'));
  const tall = /** @type {[number, number]} */ ([cols - 7, rows + 5]);
  const back = /** @type {[number, number]} */ ([cols, rows]);
  history(join(dir, 'repo'));
  mkdirSync(join(dir, 'npm'));
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) cpSync(join(page, file), join(dir, 'npm', file));
  return [
    {
      name: 'vim',
      argv: ['vim', '-u', 'NONE', '-i', 'NONE', '-n', '-N', '--cmd', 'set nomore ruler showcmd hlsearch number', '-c', 'filetype on | syntax on', 'output.js'],
      steps: ['/const\r', 'n', 'n', ':split\r', '\x04', '\x17w', '\x15', ':help\r', PAGE_DOWN, ':q\r', ':vsplit style.css\r', '\x06', tall, '\x0c', back,
        ':only!\r', 'gg', '\x16jjjlll', 'I// \x1b', 'u', 'Gohello 漢字 e\u0301 —\x1b', 'yyppp', '5k', 'dd', ':set list cursorline\r', ':e wide.txt\r', '\x04', 'zz', ':!ls\r', '\r', ':qa!\r'],
    },
    { name: 'less', argv: ['less', '-N', 'style.css'], steps: [' ', ' ', 'b', 'G', 'g', '/color\r', 'n', 'n', tall, back, '-S\r', RIGHT, RIGHT, ':n', ':e wide.txt\r', ' ', 'j', 'j', 'k', 'u', 'q'] },
    { name: 'htop', argv: ['htop', '-d', '5'], steps: [DOWN, DOWN, F(5), DOWN, PAGE_DOWN, F(6), DOWN, ESC, F(2), DOWN, RIGHT, F(10), '/', 'no', ESC, tall, back, 'h', 'q', 'q'] },
    { name: 'top', argv: ['top', '-d', '0.6'], steps: ['1', 'z', 'x', 'c', '', '', 'h', 'q', '', 'V', '', 'q'] },
    {
      name: 'tmux',
      argv: ['tmux', '-L', `oracle-${process.pid}-${cols}`, '-f', '/dev/null', 'new', 'exec bash --norc'],
      steps: ['PS1="$ "; ls --color /etc\r', `${prefix}%`, 'ls --color=always -la /usr/bin | head -60\r', `${prefix}"`, 'seq 100\r', 'cat wide.txt | head -30\r', `${prefix}[`, PAGE_UP, PAGE_UP, DOWN, 'q',
        `${prefix}o`, 'clear; seq 7\r', tall, back, `${prefix}c`, 'top -d 0.5\r', 'q', `${prefix}p`, `${prefix}z`, `${prefix}z`, `${prefix}w`, DOWN, '\r', 'tmux kill-server\r'],
    },
    { name: 'nano', argv: ['nano', '-l', '-I', '--rcfile=/dev/null', 'style.css'], steps: [DOWN, DOWN, 'hello 漢字 ', '\x17color\r', PAGE_DOWN, PAGE_DOWN, PAGE_UP, '\x0b\x0b', '\x15', '\x07', PAGE_DOWN, '\x18', '\x18', 'n'] },
    { name: 'mc', argv: ['mc', '-u', '-a', dir, '/usr/share'], steps: [DOWN, DOWN, '\t', DOWN, '\r', PAGE_DOWN, '\t', F(3), PAGE_DOWN, F(10), F(9), DOWN, DOWN, RIGHT, `${ESC}${ESC}`, tall, back, F(10), '\r'] },
    { name: 'mc with boxes', argv: ['mc', '-u', dir], steps: [F(2), `${ESC}${ESC}`, F(1), PAGE_DOWN, F(10), F(5), '\t', `${ESC}${ESC}`, F(10), '\r'] },
    { name: 'man', argv: ['man', '-P', 'less', 'git-log'], steps: [' ', ' ', '/commit\r', 'n', 'G', 'b', 'h', 'q', 'q'] },
    { name: 'watch', argv: ['watch', '-n', '0.3', '-d', '-c', 'date +%T.%N; ls --color=always -la /proc/self/fd /etc; head -5 wide.txt'], steps: ['', '', '', '', '', '', tall, '', back, '', '', '\x03'] },
    { name: 'git log', argv: ['git', '-C', 'repo', '-c', 'core.pager=less -R', 'log', '--color', '--graph', '--stat', '--decorate'], steps: [' ', ' ', ' ', 'b', '/fix\r', 'n', 'G', 'g', 'q'] },
    { name: 'git log, all', argv: ['git', '-C', 'repo', '-c', 'core.pager=cat', 'log', '--color=always', '-p'] },
    { name: 'apt-get', argv: ['apt-get', '-o', 'Dpkg::Progress-Fancy=1', '-o', 'DPkg::Lock::Timeout=60', 'install', '--reinstall', '-y', 'hostname', 'bsdutils'], times: 30, alone: true },
    { name: 'npm ci', argv: ['npm', 'ci', '--prefix', 'npm', '--progress', '--color=always'], times: 30 },
    { name: 'progress bars', argv: ['python3', join(here, 'progress.py')], times: 10 },
    { name: 'ls', argv: ['ls', '--color=always', '-la', '/usr/bin'] },
    { name: 'curses demo', argv: ['python3', join(here, 'demo.py')], steps: ['n', 'n', 'n', 'n', tall, back, 'n', 'n', 'n'] },
    {
      name: 'shell',
      argv: ['bash', '--norc'],
      steps: ['PS1="\\[\\e[1;32m\\]\\w\\[\\e[m\\] $ "\r', 'ls --color -C /usr/bin\r', 'cat wide.txt\r', `echo ${'long '.repeat(60)}\r`, tall, 'seq 40\r', back, 'clear\r', 'echo after\r', 'ls -la\r', 'less style.css\r', ' ', 'q',
        'printf "\\e[31mred "\r', 'printf "\\e]0;title\\a\\e[?2004h"\r', UP, LEFT, '\x03', 'vi -u NONE output.js\r', ':q\r', 'exit\r'],
    },
  ];
}

/** Makes a repository with a history. */
function history(dir) {
  const names = ['server', 'page', 'docs', 'ring'];
  let stream = '';
  const data = (s) => `data ${Buffer.byteLength(s)}\n${s}\n`;
  for (let i = 1; i <= 60; i++) {
    const name = names[i * 7 % 4];
    stream += `commit refs/heads/master\nmark :${i}\ncommitter Someone <someone@example.com> ${1700000000 + i * 5000} +0000\n`;
    stream += data(`${name}: ${i % 3 ? 'fix' : 'add'} the case number ${i}\n\nWhy it is so takes ${i} words to say,\nüber two lines.`);
    stream += `M 644 inline ${name}/${name}${i % 5}.txt\n${data(Array.from({ length: 10 + i % 13 }, (_, n) => `line ${n} of ${i % 4 * n}`).join('\n'))}`;
    if (i % 20 === 0) stream += `reset refs/tags/v${i}\nfrom :${i}\n\n`;
  }
  execFileSync('git', ['init', '-q', '-b', 'master', dir]);
  execFileSync('git', ['-C', dir, 'fast-import', '--quiet', '--force'], { input: stream });
  execFileSync('git', ['-C', dir, 'reset', '-q', '--hard']);
}
