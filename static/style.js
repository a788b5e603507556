// @ts-check
/** @import { IBufferCell } from '@xterm/xterm' */
import { best, hex, mix, parseColour, readable } from './contrast.js';

// A program that gives every cell its own colour must not fill the memory.
const MAX_CACHED = 4096;
/** @type {Map<number, Map<number, string>>} by background, then by the rest */
const cache = new Map();
/** @type {Map<string, Look>} by style */
const looks = new Map();
/** @type {Map<string, Base[]>} by classes */
const bases = new Map();
// What a line can be on: the page, under the mouse, and the target of a link.
const GROUNDS = ['ground', 'hover', 'marked'];
const DIMMED = 0.3; // the share of the ground in a dim colour

/**
 * @typedef {{classes: string, css: string}} Look the class names and the declarations of an element
 * @typedef {{colour: number, grounds: number[]}} Base the colour of a text, and all that may be behind it
 */

/**
 * A cell's look as a string of words: its colours, f for the text and b for the ground, each
 * with a number of the theme's 16 colours, a colour as RGB, or i for the default of the other
 * of the two; and its attributes. Empty for a cell without attributes.
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
  const inverse = cell.isInverse() !== 0;
  const front = colourWord(cell.isFgDefault(), cell.isFgRGB(), cell.getFgColor(), inverse);
  const back = colourWord(cell.isBgDefault(), cell.isBgRGB(), cell.getBgColor(), inverse);
  const words = inverse ? [back && `f${back}`, `b${front}`] : [front && `f${front}`, back && `b${back}`];
  if (cell.isBold() || cell.isBlink()) words.push('bold'); // the page blinks nothing
  if (cell.isDim()) words.push('dim');
  if (cell.isItalic()) words.push('italic');
  if (cell.isInvisible()) words.push('hide');
  if (cell.isUnderline()) words.push('under');
  if (cell.isStrikethrough()) words.push('strike');
  if (cell.isOverline()) words.push('over');
  return words.filter(Boolean).join(' ');
}

/**
 * @param {boolean} isDefault
 * @param {boolean} isRGB
 * @param {number} colour
 * @param {boolean} inverse
 */
function colourWord(isDefault, isRGB, colour, inverse) {
  if (isDefault) return inverse ? 'i' : '';
  return isRGB || colour >= 16 ? hex(isRGB ? colour : palette(colour)) : String(colour);
}

/**
 * Gives an element a style.
 * @param {HTMLElement} element
 * @param {string} style as styleOf returns it
 */
export function apply(element, style) {
  let look = looks.get(style);
  if (!look) {
    if (looks.size >= MAX_CACHED) looks.clear();
    looks.set(style, look = lookOf(style));
  }
  if (look.classes) element.className = look.classes;
  if (look.css) element.style.cssText = look.css;
}

/**
 * The style sheet has the theme's colours, which are made for each other. All others, and dim
 * ones, are made readable here: once for light and once for dark pages.
 * @param {string} style
 * @returns {Look}
 */
function lookOf(style) {
  const words = style.split(' ');
  const own = words.filter((w) => w[1] === '#');
  const classes = words.filter((w) => w[1] !== '#' && w !== 'dim');
  const isDim = words.includes('dim');
  if (!own.length && !isDim) return { classes: style, css: '' };
  const [front, back] = ['f', 'b'].map((layer) => own.find((w) => w[0] === layer)?.slice(1));
  const themed = classes.filter((w) => /^[fb][\di]/.test(w));
  const [light, dark] = basesOf(themed.join(' ')).map((base) => {
    const grounds = back ? [parseColour(back)] : base.grounds;
    const colour = front ? parseColour(front) : back && !themed.length ? best(grounds[0]) : base.colour;
    return hex(readable(isDim ? mix(colour, grounds[0], DIMMED) : colour, grounds));
  });
  return { classes: classes.join(' '), css: `color:light-dark(${light},${dark});${back ? `background:${back};` : ''}` };
}

/**
 * The colours that some of the theme's classes give an element, on light and on dark pages.
 * @param {string} classes
 */
function basesOf(classes) {
  let known = bases.get(classes);
  if (!known) bases.set(classes, known = ['light', 'dark'].map((scheme) => probe(classes, scheme)));
  return known;
}

/**
 * @param {string} classes
 * @param {string} scheme
 * @returns {Base}
 */
function probe(classes, scheme) {
  const page = document.body.appendChild(document.createElement('span'));
  page.hidden = true;
  page.style.cssText = `color-scheme:${scheme};color:var(--text)`;
  const element = page.appendChild(document.createElement('span'));
  element.className = classes;
  const { color, backgroundColor } = getComputedStyle(element);
  const grounds = GROUNDS.map((name) => {
    page.style.background = `var(--${name})`;
    return getComputedStyle(page).backgroundColor;
  });
  page.remove();
  const own = backgroundColor !== 'rgba(0, 0, 0, 0)';
  return { colour: parseColour(color), grounds: (own ? [backgroundColor] : grounds).map(parseColour) };
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
