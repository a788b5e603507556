// Output that tries to be more than output. It must have no effect except being shown.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { open, run, sh } from './harness.js';

const TITLE = 'its <i>own</i> title';
const PATIENCE_MS = 40_000; // how long showing a case may take on a busy machine
const ESC = '\x1b';
const ST = `${ESC}\\`;
const CSI = `${ESC}[`;
const OSC = `${ESC}]`;
const EVIL = 'http://evil.example/';
const JS = 'pwned=1';
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const bytes = (...all) => Buffer.from(all);
const FINALS = range(0x40, 0x7e).map((c) => String.fromCharCode(c));
// The introducers of strings: with ESC (all but the last two), then as UTF-8, then as a byte.
const STRINGS = { OSC, DCS: `${ESC}P`, SOS: `${ESC}X`, PM: `${ESC}^`, APC: `${ESC}_`, 'ESC k': `${ESC}k`, 'C1 OSC': '\u009d', 'C1 DCS': '\u0090' };
const BIDI = [0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0x200e, 0x200f, 0x061c].map((c) => String.fromCharCode(c));
const link = (uri, text = 'click', id = '') => `${OSC}8;${id};${uri}${ST}${text}${OSC}8;;${ST}`;

const MARKUP = [
  `<script>${JS}</script>`, `<ScRiPt >${JS}</sCrIpT >`, `<img src=x onerror=${JS}>`, `<img src=${EVIL}pixel.gif>`, `<svg onload=${JS}>`,
  `<svg><script>${JS}</script></svg>`, `<svg><animate onbegin=${JS} attributeName=x>`, `<math><mi xlink:href="javascript:${JS}">x</mi></math>`,
  `<iframe src="javascript:${JS}">`, `<iframe srcdoc="<script>${JS}</script>">`, `<object data="javascript:${JS}">`, `<embed src=${EVIL}>`,
  `<base href=${EVIL}>`, `<meta http-equiv=refresh content="0;url=${EVIL}">`, `<link rel=stylesheet href=${EVIL}>`, `<style>@import "${EVIL}";</style>`,
  `<body onload=${JS}>`, `<details open ontoggle=${JS}>`, `<input autofocus onfocus=${JS}>`, `<video><source onerror=${JS}></video>`,
  `<marquee onstart=${JS}>`, `<form action=${EVIL}><button>`, `<a href="javascript:${JS}">x</a>`, `<template><script>${JS}</script></template>`,
  `</div></main><h1 id=title>gone</h1>`, `</script><script>${JS}</script>`, `</title><script>${JS}</script>`, `</textarea><script>${JS}</script>`,
  `<!--`, `--><script>${JS}</script>`, `<![CDATA[<script>${JS}</script>]]>`, `<?xml-stylesheet href="${EVIL}"?>`, `&lt;script&gt;${JS}&lt;/script&gt;`,
  `&#60;img src=x onerror=${JS}&#62;`, `&#x3c;svg/onload=${JS}&gt`, `{{constructor.constructor("${JS}")()}}`, `{{nonce}}{{title}}{{static}}`,
  `\${${JS}}`, `#{${JS}}<%= ${JS} %>`, `" onmouseover="${JS}`, `' autofocus onfocus='${JS}`, '` onclick=`' + JS, `<x-y style="background:url(${EVIL})">`,
];

const URIS = [
  `javascript:${JS}`, `JaVaScRiPt:${JS}`, ` javascript:${JS}`, `\u00a0javascript:${JS}`, `\u200bjavascript:${JS}`, `\ufeffjavascript:${JS}`, `java\tscript:${JS}`,
  `java\r\nscript:${JS}`, `\x01javascript:${JS}`, `java\0script:${JS}`, `javascript\u3000:${JS}`, `javascript&colon;${JS}`, `javascript&#58;${JS}`,
  `javascript%3A${JS}`, `javascript://http://x/%0a${JS}`, `javascript:"http://";${JS}`, `\u202ejavascript:${JS}`, `ｊavascript:${JS}`, `feed:javascript:${JS}`,
  `view-source:javascript:${JS}`, `jar:javascript:${JS}`, `vbscript:msgbox(1)`, `VBScript:msgbox(1)`, `data:text/html,<script>${JS}</script>`,
  `DATA:text/html;base64,PHNjcmlwdD5wd25lZD0xPC9zY3JpcHQ+`, `data:image/svg+xml,<svg onload=${JS}>`, `data:,`, `file:///etc/passwd`, `FILE://host/share`,
  `file:\\\\host\\share`, `blob:http://127.0.0.1/1`, `filesystem:http://127.0.0.1/1`, `about:blank`, `chrome://settings`, `ws://evil.example/`,
  `ftp://evil.example/`, `mailto:a@evil.example`, `tel:112`, `intent://x#Intent;end`, `ms-msdt:/id`, `ssh://-oProxyCommand=x`, `//evil.example/`,
  `/\\evil.example/`, `?format=raw`, `#L1`, `./-/login`, ``, `http:javascript:${JS}`, `https:evil.example`, `http:/evil.example`, `https:\\\\evil.example\\`,
  `http//evil.example`, `http://x" onmouseover="${JS}`, `http://x' onclick='${JS}`, `http://x><script>${JS}</script>`, `https://x"><img src=x onerror=${JS}>`,
  'https://x/`onclick=`' + JS, `https://x/&quot; onclick=&quot;${JS}`, `http://[::1]/<img>`, `http://[::1`, `http://a:99999/`, `http://%00/`, `http:// /`,
  `http://`, `https://user:pass@evil.example/`, `https://github.com@evil.example/`, `http://evil.example/\u202egpj.exe`, `https://xn--`, `https://аррӏе.com/`,
  `http://x/${'a'.repeat(100_000)}`, `http://x/${'"><script>'.repeat(10_000)}`, `javascript:${' '.repeat(100_000)}${JS}`, `https://x/${';'.repeat(10_000)}javascript:${JS}`,
];

const SHOWN_URLS = [
  `http://x"onmouseover=alert(1)`, `http://x'onmouseover=alert(1)`, `http://[::1]/<img>`, `javascript:alert(1)`, `https://user:pass@evil.example`, `javascript://http://x/`,
  `data:text/html,http://x`, `xhttp://x`, `http://`, `http:///`, `https://[`, `http://x:99999999/`, `http://http://http://x`, `http://x/((((]]]]}}}}`, `http://%`, `//evil.example`,
  `www.evil.example`, `http://x/&quot;onclick=${JS}`, `file:///etc/passwd`, `http://x/\u202egpj`, `http://\u200b/`, `HTTP://X`, `http:\\\\evil.example`, `\thttps://x/\\"><b>`,
];

/** @type {Record<string, [name: string, sequence: string | Buffer, shown?: string][]>} */
const CORPUS = {
  'markup': MARKUP.map((m) => [m, m, m]),
  'markup in titles': MARKUP.map((m, i) => [`OSC ${i % 3} ${m}`, `${OSC}${i % 3};${m}\x07`]),
  'markup in links': MARKUP.map((m) => [m, link(`http://x/${m}`, m, `id=${m.replace(/[:;]/g, '')}`), m]),
  'links': [
    ...URIS.map((u) => [u.slice(0, 60), link(u)]),
    ...[`id=javascript:${JS}`, `id="><script>${JS}</script>`, 'a=b:'.repeat(10_000), `id=${'x'.repeat(100_000)}`, ':::===', '__proto__=1:constructor=2']
      .map((id) => [`id ${id.slice(0, 40)}`, link('https://x/', 'click', id)]),
    ['ended by BEL', `${OSC}8;;javascript:${JS}\x07click${OSC}8;;\x07`],
    ['ended by C1', `${OSC}8;;javascript:${JS}\u009cclick`],
    ['as C1', `\u009d8;;javascript:${JS}\u009cclick\u009d8;;\u009c`],
    ['cut off by CAN', `${OSC}8;;javascript:${JS}\x18click`],
    ['cut off by ESC', `${OSC}8;;javascript:${JS}${CSI}1mclick`],
    ['never ended', `${OSC}8;;javascript:${JS}`],
    ['left open', `${OSC}8;;https://x/${ST}click`],
    ['left open by a bad one', `${link('https://x/')}${OSC}8;;javascript:${JS}${ST}click`],
    ['nested', `${OSC}8;;https://x/${ST}a${OSC}8;;javascript:${JS}${ST}b${OSC}8;;data:,${ST}c`],
    ['over many rows', link('https://x/', `wide 漢字 `.repeat(300))],
    ['over the cursor’s way back', `${OSC}8;;https://x/${ST}abc${CSI}9D${CSI}5A${OSC}8;;${ST}`],
    ['on the alternate screen', `${CSI}?1049h${URIS.slice(0, 20).map((u) => link(u)).join('\r\n')}`],
    ['5,000 of them', range(1, 5000).map((n) => link(`https://x/${n}`, 'l')).join('')],
    ['without a semicolon', `${OSC}8${ST}${OSC}8;${ST}${OSC}8;;;${ST}`],
  ],
  'URLs in text': SHOWN_URLS.map((u) => [u, `see ${u} there`]),
  'titles': [
    ...[0, 1, 2].flatMap((n) => [
      [`OSC ${n} of bidi controls`, `${OSC}${n};${BIDI.join('x')}\x07`],
      [`OSC ${n} of 100,000 characters`, `${OSC}${n};${'t'.repeat(100_000)}\x07`],
      [`OSC ${n} of 100,000 emoji`, `${OSC}${n};${'👩‍👩‍👧'.repeat(20_000)}\x07`],
      [`OSC ${n} like the page's`, `${OSC}${n};✓ ${TITLE}\x07`],
      [`OSC ${n} never ended`, `${OSC}${n};never`],
    ]),
    ['of controls', `${OSC}2;a\tb\x01c\u0085d\u2028e\u2029f\ufeffg\u200bh\u00adi\u{e0041}j\x7fk${ST}`],
    ['of newlines', `${OSC}2;one\ntwo\nthree${ST}`],
    ['of combining marks', `${OSC}2;${'e\u0301\u0300'.repeat(1000)}${ST}`],
    ['of invalid UTF-8', Buffer.concat([Buffer.from(`${OSC}2;`), bytes(0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80), Buffer.from(ST)])],
    ['empty', `${OSC}2;${ST}${OSC}0${ST}`],
    ['10,000 of them', range(1, 10_000).map((n) => `${OSC}2;${n}\x07`).join('')],
    ['pushed and popped', `${CSI}22;0t${OSC}2;<b>\x07${CSI}23;0t`.repeat(100)],
    ['of ESC k', `${ESC}k<b>title</b>${ST}`],
  ],
  'queries': [
    ...['c', '0c', '>c', '>0c', '=c', '5n', '6n', '?6n', '?15n', '?25n', '?26n', '?53n', '?996n', 'x', '1x', '>q', '>0q', '?u', '?$p', '?2026$p', '4$p', '?1;2;3$p', '1$w', '2$w', '1;1;1;1;1;1*y', '?1;1;0S', '>4m', '?4m', '+p']
      .map((q) => [`CSI ${q}`, CSI + q]),
    ...[...range(11, 24), 2, 5, '8;1;1', '3;0;0', '4;1;1', '9;1', '10;2', '8;9999;9999'].map((n) => [`CSI ${n}t`, `${CSI}${n}t`]),
    ...['4;0;?', '4;1;rgb:ff/00/00', '5;0;?', '10;?', '11;?', '12;?', '10;?;?;?', '13;?', '17;?', '19;?', '50;?', `10;url(${EVIL})`, `11;red;}body{background:url(${EVIL})}`, '104', `4;${'1;?;'.repeat(10_000)}`]
      .map((q) => [`OSC ${q.slice(0, 30)}`, `${OSC}${q}${ST}`]),
    ...['c;?', 'c;cHduZWQ=', 'p;cHduZWQ=', 's0;!', ';', `c;${'QUFB'.repeat(50_000)}`].map((q) => [`OSC 52;${q.slice(0, 20)}`, `${OSC}52;${q}\x07`]),
    ['OSC 52 never ended', `${OSC}52;c;cHdu`],
    ['OSC 52 as C1', '\u009d52;c;cHduZWQ=\u009c'],
    ['ENQ', '\x05'], ['DECID', `${ESC}Z`], ['all at once, 1,000 times', `${CSI}c${CSI}6n${CSI}18t${OSC}11;?\x07\x05`.repeat(1000)],
    ['DECRQSS', ['m', 'r', '"p', '"q', ' q', '<b>'].map((q) => `${ESC}P$q${q}${ST}`).join('')],
    ['XTGETTCAP', `${ESC}P+q544e;524742${ST}`], ['DECRSPS', `${ESC}P1$t1;1;1${ST}`], ['DECUDK', `${ESC}P0;1|17/70776e6564${ST}`],
  ],
  'OSC': [
    ...[`1337;File=inline=1;name=eA==:${'QUFB'.repeat(1000)}`, '1337;RequestUpload=format=tgz', '1337;OpenURL=:amF2YXNjcmlwdDphbGVydCgxKQ==', '1337;CopyToClipboard=', '1337;SetBadgeFormat=PGI+',
      '1337;Custom=id=x:y', '1337;ReportCellSize', '9;<b>note</b>', '9;4;1;50', '9;9;C:\\', '777;notify;<b>a</b>;b', '99;i=1;<b>a</b>', '7;file://evil.example/etc', '7;javascript:alert(1)',
      '133;A', '133;C', '133;D;1', `633;E;<script>${JS}</script>`, '633;P;Cwd=<b>', '3;WM_NAME=x', '46;/etc/passwd', '50;CursorShape=1', '51;["call","pwned",[1]]', '6;file:///', '1;', '99999999999999;x', '-1;x', 'x', '',
      ';'.repeat(100_000), '9'.repeat(100_000), `__proto__;${JS}`].map((o) => [o.slice(0, 40), `${OSC}${o}${ST}`]),
  ],
  'strings': Object.entries(STRINGS).flatMap(([name, begin]) => [
    [`${name} of markup`, `${begin}<script>${JS}</script>${ST}`],
    [`${name} with newlines`, `${begin}1;a\nb\nc${ST}`],
    [`${name} of C1 and bad UTF-8`, Buffer.concat([Buffer.from(begin), bytes(...range(0x80, 0xff)), Buffer.from(ST)])],
    [`${name} never ended`, begin + 'x'],
    [`${name} never ended, 1 MB`, begin + 'x'.repeat(1_000_000)],
    [`${name} begun 10,000 times`, begin.repeat(10_000)],
  ]).concat([
    ['sixel', `${ESC}Pq"1;1;9999999;9999999#0;2;0;0;0!99999999~-${ST}`], ['sixel never ended', `${ESC}P0;0;0q${'!99999999~'.repeat(1000)}`],
    ['kitty graphics', `${ESC}_Ga=T,f=100,t=f;L2V0Yy9wYXNzd2Q=${ST}`], ['ReGIS', `${ESC}PpS(E)P[0,0]V[999,999]${ST}`], ['tmux pass-through', `${ESC}Ptmux;${ESC}${ESC}]0;<b>\x07${ST}`],
    ['DECDLD', `${ESC}P1;1;1;99999;99999;2;99;0{ @${'~'.repeat(10_000)}${ST}`], ['DCS of 10,000 parameters', `${ESC}P${'1;'.repeat(10_000)}q${ST}`], ['100,000 ESC', ESC.repeat(100_000)],
  ]),
  'huge parameters': [
    ...FINALS.map((f) => [`CSI 99999999999999 ${f}`, `abc${CSI}99999999999999${f}def`]),
    ...['?', '>', '=', '<'].map((p) => [`CSI ${p} 99999999999999, every final byte`, FINALS.map((f) => `${CSI}${p}99999999999999${f}`).join('')]),
    ...[' ', '!', '"', '#', '$', '%', "'", '*', '+'].map((i) => [`CSI 99999999999999 '${i}', every final byte`, FINALS.map((f) => `${CSI}99999999999999${i}${f}`).join('')]),
    ['every final byte with 0', FINALS.map((f) => `${CSI}0;0${f}`).join('')], ['every final byte with -1', FINALS.map((f) => `${CSI}-1${f}`).join('')],
    ['SGR of 10,000 parameters', `${CSI}${'1;'.repeat(10_000)}m`], ['SGR of 10,000 sub-parameters', `${CSI}38${':2'.repeat(10_000)}m`], ['SGR of colour 99999', `${CSI}38;5;99999;48;2;999;999;999;58:5:99999mx`],
    ['100,000 digits', `${CSI}${'9'.repeat(100_000)}H`], ['a CSI never ended', `${CSI}1;2;3`], ['CUP far off', `${CSI}99999;99999Hx${CSI}-5;-5Hx`], ['margins', `${CSI}99999;1r${CSI}5;2r${CSI}2;3r\n\n\n\n`],
    ['REP of 65,535', `x${CSI}65535b`], ['REP of 1,000,000 emoji', `👩‍👩‍👧${CSI}1000000b`], ['REP of nothing', `${CSI}0m${CSI}999b`], ['REP of 50, 10,000 times', `x${CSI}50b`.repeat(10_000)],
    ['tab stops', `${ESC}H${CSI}3g${CSI}99999I${CSI}99999Z\tx`], ['insert, 10,000 times', `${CSI}4h${'x'.repeat(10_000)}${CSI}9999@`], ['every mode on', range(0, 3000).map((n) => `${CSI}?${n}h${CSI}${n}h`).join('')],
    ['every mode off', range(0, 3000).map((n) => `${CSI}?${n}l${CSI}${n}l`).join('')],
  ],
  'floods': [
    ['a million nested SGR', Array.from({ length: 1_000_000 }, (_, i) => `${CSI}${i % 9}m`).join('')], ['20,000 colours', range(1, 20_000).map((n) => `${CSI}38;2;${n & 255};${n >> 8};9mx`).join('')],
    ['the alternate screen, 2,000 times', `${CSI}?1049hx${CSI}?1049l`.repeat(2000)], ['the alternate screen, every kind', `${CSI}?47hx${CSI}?1047hy${CSI}?1049hz${CSI}?47l`],
    ['the alternate screen, left on', `${CSI}?1049h${MARKUP.join('\r\n')}`], ['RIS, 1,000 times', `x${ESC}c`.repeat(1000)], ['RIS on the alternate screen', `${CSI}?1049hx${ESC}c`], ['DECSTR, 1,000 times', `${CSI}!p`.repeat(1000)],
    ['RIS within a link', `${OSC}8;;https://x/${ST}a${ESC}cb`], ['a line of 100,000 characters', 'l'.repeat(100_000)], ['a line of 100,000 wide ones', '漢'.repeat(100_000)], ['a line of 100,000 <', '<'.repeat(100_000)],
    ['a line of 20,000 URLs', `${EVIL} `.repeat(20_000)], ['100,000 NUL', '\0'.repeat(100_000)], ['100,000 BEL', '\x07'.repeat(100_000)], ['100,000 backspaces', '\b'.repeat(100_000)], ['100,000 CR', 'x\r'.repeat(100_000)],
    ['100,000 tabs', '\t'.repeat(100_000)], ['20,000 lines', '<b>\n'.repeat(20_000)], ['20,000 form feeds', '\f\v'.repeat(20_000)], ['DECALN, 1,000 times', `${ESC}#8`.repeat(1000)], ['RI, 10,000 times', `${ESC}M`.repeat(10_000)],
    ['clearing, 10,000 times', `x${CSI}2J${CSI}3J${CSI}H`.repeat(10_000)], ['saved cursors', `${ESC}7${ESC}8${CSI}s${CSI}u`.repeat(10_000)], ['mouse, paste and focus', `${CSI}?9;1000;1002;1003;1004;1005;1006;1015;1016;2004h`],
  ],
  'characters': [
    ...BIDI.map((c) => [`U+${c.charCodeAt(0).toString(16)}`, `safe ${c}evil.exe<b>`]), ['bidi controls, 10,000 of them', BIDI.join('').repeat(1000)], ['right-to-left', 'שלום<b>عربي'.repeat(100)],
    ['zero-width joiners', `a${'\u200d'.repeat(10_000)}b`], ['a family of 10,000', '👩\u200d'.repeat(10_000)], ['flags', '🇩'.repeat(10_001)], ['variation selectors', `☺${'\ufe0f'.repeat(10_000)}`],
    ['zalgo', [...'zalgo'].map((c) => c + range(0x300, 0x36f).map((m) => String.fromCharCode(m)).join('').repeat(20)).join('')], ['a tower of 100,000 marks', `e${'\u0301'.repeat(100_000)}`], ['marks alone', '\u0301'.repeat(5000)],
    ['U+FEFF', '\ufeff<b>\ufeff'], ['U+2028 and U+2029', 'a\u2028b\u2029c'], ['noncharacters', '\ufffe\uffff\ufdd0\u{1fffe}\u{10ffff}'], ['tags', '\u{e0001}\u{e0041}\u{e007f}'], ['private use', '\ue000\u{f0000}'],
    ['CESU surrogates', bytes(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80)], ['lone high surrogate', bytes(0xed, 0xa0, 0x80, 0x3c)], ['lone low surrogate', bytes(0xed, 0xbf, 0xbf, 0x3c)], ['every byte', bytes(...range(0, 255))],
    ['continuation bytes', bytes(...range(0x80, 0xbf))], ['cut short', bytes(0xe2, 0x82, 0x3c, 0xf0, 0x9f, 0x98, 0x3c, 0xc3)], ['overlong <', bytes(0xc0, 0xbc, 0xe0, 0x80, 0xbc, 0xf0, 0x80, 0x80, 0xbc)], ['overlong ESC', bytes(0xc0, 0x9b, 0x63)],
    ['beyond Unicode', bytes(0xf4, 0x90, 0x80, 0x80, 0xf8, 0x88, 0x80, 0x80, 0x80, 0xfe, 0xff)], ['C1 as bytes', bytes(...range(0x80, 0x9f), 0x9b, 0x63)], ...range(0x80, 0x9f).map((c) => [`C1 U+${c.toString(16)}`, `a${String.fromCharCode(c)}b<i>`]),
    ['C0', bytes(...range(1, 0x1a), ...range(0x1c, 0x1f), 0x7f)], ['DEC graphics', `${ESC}(0lqqk<b>\x0e${ESC})0x`], ['every charset', FINALS.concat([...'0123456789']).map((f) => `${ESC}(${f}#[<>]`).join('')], ['double height', `${ESC}#3<b>\r\n${ESC}#4<b>`],
  ],
};
const ALL = Object.values(CORPUS).flat();

// Leaves strings, screens and margins and goes to a new row at the bottom; then the marker.
const recovery = (marker) => `\x18${ST}${CSI}?1049l${CSI}0m${CSI}?6l${CSI}r${CSI}999B\r\n${marker}${CSI}K\r\n`;
const REST = `${OSC}8;;${ST}${CSI}!p`; // resets what a case may leave behind for the next one

test('the corpus holds at least 150 sequences, each once', () => {
  assert.ok(ALL.length >= 150);
  assert.equal(new Set(ALL.map(([, sequence]) => Buffer.from(sequence).toString('latin1'))).size, ALL.length);
});

/** Records, in the page, everything that output must not cause. */
function spy() {
  window.done = [];
  const note = (what) => (...args) => { window.done.push(`${what} ${String(args).slice(0, 100)}`); };
  document.addEventListener('securitypolicyviolation', (e) => note('violates')(e.violatedDirective, e.blockedURI, e.sample));
  for (const event of ['copy', 'cut', 'paste', 'beforeunload', 'submit']) addEventListener(event, note(event), true);
  for (const [of, names] of [[window, ['open', 'print', 'moveTo', 'moveBy', 'resizeTo', 'resizeBy', 'Notification']], [document, ['execCommand', 'write']],
    [Clipboard.prototype, ['read', 'readText', 'write', 'writeText']], [Navigator.prototype, ['sendBeacon', 'share', 'vibrate']], [WebSocket.prototype, ['send']],
    [HTMLMediaElement.prototype, ['play']], [history, ['pushState', 'replaceState']]]) {
    for (const name of names) Object.defineProperty(of, name, { value: note(name) });
  }
}

/** Returns, in the page, everything that is not as it should be. */
function inspect({ title, shown }) {
  const bad = window.done.splice(0);
  const expect = (ok, what) => ok || bad.push(what.slice(0, 300));
  expect(window.pwned === undefined, 'ran a script');
  delete window.pwned;
  expect(document.querySelector('h1').textContent === title, `h1 is ${document.querySelector('h1').textContent}`);
  expect(document.title.endsWith(title) && document.title.length < title.length + 3, `title is ${document.title}`);
  const said = document.querySelector('#said').textContent;
  expect([...said].length <= 120, `said is ${[...said].length} long`);
  expect(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(said), `said is ${JSON.stringify(said)}`);
  const elements = Object.entries({ script: 2, base: 0, iframe: 0, object: 0, embed: 0, meta: 6, h1: 1, main: 1, form: 4, img: 1, video: 0, audio: 0, svg: 0 });
  for (const [name, n] of elements) expect(document.querySelectorAll(name).length === n, `other than ${n} ${name}`);
  expect(document.querySelector('#icon').getAttribute('href').startsWith('data:image/svg+xml,'), 'another icon');
  expect(document.documentElement.scrollWidth <= innerWidth, 'the page is wider than the window');
  const allowed = { DIV: 'class data-n data-t', SPAN: 'class style', A: 'class style href target rel', BR: '' };
  for (const e of document.querySelectorAll('#log *')) {
    const names = allowed[e.tagName]?.split(' ');
    if (!names) { bad.push(`element ${e.tagName}`); continue; }
    for (const { name } of e.attributes) expect(names.includes(name), `attribute ${name} of ${e.tagName}`);
    expect(/^((color: light-dark\(rgb\([\d, ]+\), rgb\([\d, ]+\)\)|background: rgb\([\d, ]+\)|--columns: \d+);? ?)*$/.test(e.getAttribute('style') ?? ''), `style ${e.getAttribute('style')}`);
    if (e.tagName !== 'A') continue;
    expect(/^https?:\/\//i.test(e.getAttribute('href')) && ['http:', 'https:', ':'].includes(e.protocol), `link to ${e.getAttribute('href')}`);
    expect(e.target === '_blank' && e.relList.contains('noopener') && e.relList.contains('noreferrer'), `link with ${e.target} ${e.rel}`);
  }
  for (const a of document.querySelectorAll('a[href]')) expect(/^https?:$|^:$/.test(a.protocol), `link to ${a.href}`);
  expect(shown === undefined || [...document.querySelectorAll('.block > div')].some((r) => r.textContent.includes(shown)), 'does not show the text');
  return [...new Set(bad)];
}

/** Opens a page and records everything that leaves it: requests, messages, windows. */
const watch = (t, port) => open(t, port, {}, async (p, context) => {
  const own = (url) => /^https?:|^ws:/.test(url) && new URL(url).host === `127.0.0.1:${port}` || url.startsWith('data:image/svg+xml,') || url === 'data:,';
  await context.addInitScript(spy);
  context.on('request', (r) => own(r.url()) || p.problems.push(`request to ${r.url().slice(0, 100)}`));
  context.on('page', (other) => other === p || p.problems.push('another page'));
  p.on('download', () => p.problems.push('download'));
  p.on('framenavigated', (f) => own(f.url()) || p.problems.push(`went to ${f.url().slice(0, 100)}`));
  p.on('websocket', (s) => {
    if (!own(s.url())) p.problems.push(`socket to ${s.url()}`);
    s.on('framesent', ({ payload }) => p.problems.push(`sent ${JSON.stringify(String(payload)).slice(0, 100)}`));
  });
});

/** Waits for a marker's row, and returns what is wrong with the page. */
async function problems(page, marker, shown) {
  await page.waitForFunction((m) => {
    const all = document.querySelectorAll('.block > div');
    for (let i = all.length - 1; i >= Math.max(all.length - 60, 0); i--) if (all[i].textContent === m) return all[i].checkVisibility();
    return false;
  }, marker, { timeout: PATIENCE_MS });
  return [...await page.evaluate(inspect, { title: TITLE, shown }), ...page.problems.splice(0)];
}

/** Plays cases one after another, checking each, and stops at a case that hangs the page. */
async function play(t, cases, files, wrong) {
  const { child, port } = await run(t, ['--title', TITLE, ...sh(`stty -echo; echo READY; for f in ${files.join(' ')}; do read x; cat $f; read x; printf '${REST}'; done; read x`)]);
  const page = await watch(t, port);
  const debug = await page.context().newCDPSession(page);
  await problems(page, 'READY');
  for (let i = 0; i < cases.length; i++) {
    const [name, , shown] = cases[i];
    child.stdin.write('\n');
    try {
      for (const what of await problems(page, `CASE ${i}`, shown)) wrong.push(`${name}: ${what}`);
    } catch (e) {
      wrong.push(`${name}, then no more: ${String(e).split('\n')[0]}`);
      debug.send('Page.crash').catch(() => {}); // a hanging page can't be closed
      await page.waitForEvent('crash');
      return;
    }
    child.stdin.write('\n');
  }
  // A late viewer gets everything at once.
  const late = await watch(t, port);
  for (const what of await problems(late, `CASE ${cases.length - 1}`)) wrong.push(`backlog: ${what}`);
  await Promise.all([page, late].map((p) => p.context().close()));
}

describe('hostile output does nothing but show:', { concurrency: 3 }, () => {
  for (const [group, cases] of Object.entries(CORPUS)) {
    test(group, async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'hostile-'));
      t.after(() => rm(directory, { recursive: true }));
      const files = cases.map((_, i) => join(directory, String(i)));
      await Promise.all(cases.map(([, sequence], i) => writeFile(files[i], Buffer.concat([Buffer.from(sequence), Buffer.from(recovery(`CASE ${i}`))]))));
      const wrong = [];
      await play(t, cases, files, wrong);
      assert.deepEqual(wrong, []);
      t.diagnostic(`promise: hostile output does nothing but show: ${group} | figure: ${cases.length} sequences, ${wrong.length} with an effect`);
    });
  }
});
