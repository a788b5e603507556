// @ts-check
// What WCAG 2.2 asks for, level AA.
const MIN_CONTRAST = 4.5;
const BLACK = 0x000000;
const WHITE = 0xffffff;

/**
 * A colour that is readable on all of some grounds, as near to the given one as possible:
 * the colour itself, or a mixture with black or white.
 * @param {number} colour as RGB
 * @param {number[]} grounds which black is readable on, or else white
 */
export function readable(colour, grounds) {
  const isReadable = (/** @type {number} */ c) => grounds.every((ground) => contrast(c, ground) >= MIN_CONTRAST);
  if (isReadable(colour)) return colour;
  const end = best(grounds[0]);
  let [bad, good] = [0, 1]; // shares of black or white
  while (good - bad > 1 / 256) {
    const middle = (bad + good) / 2;
    if (isReadable(mix(colour, end, middle))) good = middle;
    else bad = middle;
  }
  return mix(colour, end, good);
}

/** Black or white, whichever is easier to read on a ground. @param {number} ground */
export const best = (ground) => (contrast(BLACK, ground) > contrast(WHITE, ground) ? BLACK : WHITE);

/**
 * A mixture of two colours.
 * @param {number} a
 * @param {number} b
 * @param {number} share of b, from 0 to 1
 */
export function mix(a, b, share) {
  const [x, y] = [channels(a), channels(b)];
  const [red, green, blue] = x.map((c, i) => Math.round(c + (y[i] - c) * share));
  return red << 16 | green << 8 | blue;
}

/** A colour in CSS. @param {number} colour */
export const hex = (colour) => `#${colour.toString(16).padStart(6, '0')}`;

/**
 * A colour as RGB.
 * @param {string} css as hex returns it, or as the browser computes it
 */
export function parseColour(css) {
  if (css.startsWith('#')) return parseInt(css.slice(1), 16);
  const [red, green, blue] = (css.match(/[\d.]+/g) ?? []).map(Number);
  return red << 16 | green << 8 | blue;
}

/** @param {number} a @param {number} b */
function contrast(a, b) {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** @param {number} colour */
function luminance(colour) {
  const [red, green, blue] = channels(colour).map((c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {number} colour */
const channels = (colour) => [colour >> 16, colour >> 8 & 255, colour & 255];
