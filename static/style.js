// @ts-check
/** @import { IBufferCell } from '@xterm/xterm' */

// A program that gives every cell its own colour must not fill the memory.
const MAX_CACHED = 4096;
/** @type {Map<number, Map<number, string>>} by background, then by the rest */
const cache = new Map();

/**
 * A cell's look as a string: class names and, after a vertical bar, the colours that
 * have no class. Empty for a cell without attributes.
 * @param {IBufferCell} cell
 */
export function styleOf(cell) {
  const front = ((cell.getFgColorMode() | Math.max(cell.getFgColor(), 0)) * 512) +
    (cell.isBold() && 1) + (cell.isDim() && 2) + (cell.isItalic() && 4) + (cell.isInvisible() && 8) + (cell.isBlink() && 16) +
    (cell.isUnderline() && 32) + (cell.isStrikethrough() && 64) + (cell.isOverline() && 128) + (cell.isInverse() && 256);
  const back = cell.getBgColorMode() | Math.max(cell.getBgColor(), 0);
  let styles = cache.get(back);
  if (!styles) cache.set(back, styles = new Map());
  let style = styles.get(front);
  if (style === undefined) {
    style = describe(cell);
    if (cache.size + styles.size > MAX_CACHED) cache.clear();
    else styles.set(front, style);
  }
  return style;
}

/** The same, without the cache. @param {IBufferCell} cell */
function describe(cell) {
  let classes = '';
  let css = '';
  let ground = -1; // a background that is not one of the theme's colours
  const inverse = cell.isInverse() !== 0;
  /** @type {['f' | 'b', boolean, boolean, boolean, number][]} */
  const colours = [
    ['f', cell.isFgDefault(), cell.isFgPalette(), cell.isFgRGB(), cell.getFgColor()],
    ['b', cell.isBgDefault(), cell.isBgPalette(), cell.isBgRGB(), cell.getBgColor()],
  ];
  for (const [which, isDefault, isPalette, isRGB, colour] of colours) {
    const to = inverse ? (which === 'f' ? 'b' : 'f') : which;
    if (isDefault) classes += inverse ? ` ${to}i` : '';
    else if (isPalette && colour < 16) classes += ` ${to}${colour}`;
    else if (isPalette || isRGB) {
      const rgb = isRGB ? colour : palette(colour);
      css += `${to === 'f' ? 'color' : 'background'}:${hex(rgb)};`;
      if (to === 'b') ground = rgb;
    }
  }
  // The theme's colours are made for the theme's ground.
  if (ground >= 0 && !css.includes('color:')) css += `color:${isLight(ground) ? '#000' : '#fff'};`;
  if (cell.isBold() || cell.isBlink()) classes += ' bold'; // the page blinks nothing
  if (cell.isDim()) classes += ' dim';
  if (cell.isItalic()) classes += ' italic';
  if (cell.isInvisible()) classes += ' hide';
  if (cell.isUnderline()) classes += ' under';
  if (cell.isStrikethrough()) classes += ' strike';
  if (cell.isOverline()) classes += ' over';
  return classes.slice(1) + (css && `|${css}`);
}

/**
 * Gives an element a style.
 * @param {HTMLElement} element
 * @param {string} style as styleOf returns it
 */
export function apply(element, style) {
  const [classes, css = ''] = style.split('|');
  if (classes) element.className = classes;
  if (css) element.style.cssText = css;
}

/** @param {number} rgb */
const hex = (rgb) => `#${rgb.toString(16).padStart(6, '0')}`;

/**
 * Reports whether black is easier to read on a colour than white (WCAG 2.2, relative luminance).
 * @param {number} rgb
 */
function isLight(rgb) {
  const [r, g, b] = [rgb >> 16, rgb >> 8 & 255, rgb & 255].map((c) => ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
}

/**
 * One of xterm's 256 colours as RGB: from 16 on a cube of six steps a side, from 232 on
 * greys.
 * @param {number} colour
 */
export function palette(colour) {
  if (colour >= 232) return (8 + (colour - 232) * 10) * 0x010101;
  const c = colour - 16;
  /** @param {number} step */
  const level = (step) => (step ? 55 + step * 40 : 0);
  return level(Math.floor(c / 36)) << 16 | level(Math.floor(c / 6) % 6) << 8 | level(c % 6);
}
