// Queries that a terminal would answer get no answer here: viewers can only watch.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { open, run, sh, untilRow } from './harness.js';

const CSI = '\x1b[';
const QUERIES = [
  // DA1 to DA3, DECID, XTVERSION, DECREQTPARM, DECRQUPSS, DECRQTSR, DECRQPSR, DECRQCRA, DECRQDE, DECLRP
  'c', '0c', '>c', '>0c', '=c', '=0c', '>q', '>0q', 'x', '0x', '1x', '&u', '1$u', '2$u', '1$w', '2$w', '1;1;1;1;5;5*y', '"v', "'|", "1;2'z", "'w",
  // DSR: status, cursor, DECXCPR, printer, UDK, keyboard, locator, macros, checksum, integrity, sessions, colour scheme
  '5n', '6n', '?6n', '?15n', '?25n', '?26n', '?53n', '?55n', '?56n', '?62n', '?63;1n', '?75n', '?85n', '?996n',
  // DECRQM
  ...[1, 3, 5, 6, 7, 25, 47, 1000, 1003, 1004, 1006, 1049, 2004, 2026, 2027, 2031, 2048, 9001].map((n) => `?${n}$p`), '2$p', '4$p', '12$p', '20$p',
  // keyboard protocols, graphics, key modifiers
  '?u', '>1u', '=3u', '?u', '<u', '?1;1S', '?1;1;0S', '?2;1;0S', '?3;1;0S', '?4m', '>4;2m', '?4m', '?1m',
  // window reports
  ...[11, 13, '13;2', 14, '14;2', 15, 16, 18, 19, 20, 21, '22;0', '23;0'].map((n) => `${n}t`), '#S', '#R',
].map((q) => CSI + q).concat(
  ['\x05', '\x1bZ', '\x9a', '\x9b0c', '\x9b6n', '\xc2\x9b6n', '\x1b#8'],
  // DECRQSS, XTGETTCAP, XTGETXRES, DECRSPS
  ['m', 'r', 's', 't', '"p', '"q', ' q', '$|', '*|', '$}', '$~', ',|', '*x'].map((q) => `\x1bP$q${q}\x1b\\`),
  ['544e', '524742', '436f', '6b63757531', '544e;524742', 'zz', ''].map((q) => `\x1bP+q${q}\x1b\\`), '\x1bP+Q6e\x1b\\',
  // colours, clipboard and other OSC queries, with each terminator
  ['4;0;?', '4;1;?;2;?;255;?', '5;0;?', ...[10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((n) => `${n};?`), '10;?;?;?', '21;foreground=?;background=?', '22;?', '3;?', '50;?', '60', '61', '66;?',
    '52;c;?', '52;p;?', '52;;?', '52;cps01;?', '99;i=1:p=?;', '1337;ReportCellSize', '1337;ReportVariable=bmFtZQ==', '1337;RequestUpload=format=tgz', '1337;Capabilities', '5522;type=read;Lg==']
    .flatMap((q) => [`\x1b]${q}\x07`, `\x1b]${q}\x1b\\`, `\x9d${q}\x9c`]),
  // kitty graphics, sixel
  ['Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA', 'Ga=q', 'Ga=T,f=100,i=1,q=0;AAAA', 'Gi=1,a=q,t=f;L2V0Yy9wYXNzd2Q='].map((q) => `\x1b_${q}\x1b\\`), '\x1bPq?\x1b\\',
  // modes in which a terminal sends reports unasked: mouse, focus, paste, size, colour scheme
  ['?9h', '?1000h', '?1002h', '?1003h', '?1004h', '?1005h', '?1006h', '?1015h', '?1016h', '?2004h', '?2031h', '?2048h', '?1h', '?9001h', '>3u'].map((q) => CSI + q),
);

test('no query and no mode makes a viewer or wsrun itself write to the terminal', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'queries-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'queries');
  await writeFile(file, Buffer.from(QUERIES.join(''), 'latin1'));
  // The command continues when its standard input says so. An answer would come from the terminal, within 2 s.
  const ask = (n) => `cat ${file}; printf '\\033]2;asked ${n}\\007'; read x; got${n}=$(dd bs=4096 count=1 2>/dev/null < /dev/tty | od -An -c)`;
  const { child, port } = await run(t, ['--size', '80x24', ...sh(`stty raw -echo min 0 time 20 < /dev/tty; read x
    ${ask(1)}; printf '\\033[?1049h'; ${ask(2)}; printf '\\033c\\033[?1049l\\r\\ngot %s,%s\\r\\n' "$got1" "$got2"; read x`)]);
  const page = await open(t, port);
  for (const sub of [[], ['wsrun.v1']]) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, sub);
    t.after(() => socket.terminate());
    await once(socket, 'open');
  }
  await page.getByText('3 watching').waitFor();
  child.stdin.write('\n');
  for (const n of [1, 2]) {
    const asked = (p) => p.locator('#said', { hasText: `asked ${n}` }).waitFor({ state: 'attached' });
    await asked(page);
    await page.mouse.click(300, 300);
    await page.mouse.wheel(0, 50);
    await page.keyboard.press('x');
    await page.evaluate(() => { dispatchEvent(new Event('blur')); dispatchEvent(new Event('focus')); });
    // A viewer that joins now gets what the emulator has.
    await asked(await open(t, port));
    child.stdin.write('\n');
  }
  await untilRow(page, 'got ,');
  assert.deepEqual(page.problems, []);
});
