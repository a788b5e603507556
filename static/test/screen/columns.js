// Prints how many columns each character has in the page: [first, last, columns], …
import { makeTerminal } from './viewer.js';

const unicode = makeTerminal(80, 24)._core.unicodeService;
const ranges = [];
for (let code = 0x20; code <= 0x10ffff; code++) {
  if (code >= 0x7f && code < 0xa0 || code >= 0xd800 && code < 0xe000) continue;
  const columns = unicode.wcwidth(code);
  const last = ranges.at(-1);
  if (last?.[2] === columns && last[1] === code - 1) last[1] = code;
  else ranges.push([code, code, columns]);
}
console.log(JSON.stringify(ranges));
