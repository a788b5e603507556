// @ts-check

/**
 * A self-contained page of lines, with their colours.
 * @param {{n: number, element: HTMLElement}[]} rows n is 0 for a note between lines
 * @param {string} title
 */
export function toHTML(rows, title) {
  const style = getComputedStyle(document.documentElement);
  const probe = document.body.appendChild(document.createElement('span'));
  /** @param {string} name */
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const [ground, text] = [colour('ground'), colour('text')];
  probe.style.color = 'light-dark(black, white)';
  const scheme = getComputedStyle(probe).color === 'rgb(0, 0, 0)' ? 'light' : 'dark';
  let css = `:root{color-scheme:${scheme}}body{margin:1em;background:${ground};color:${text};font:13px/1.5 ${style.getPropertyValue('--mono')}}` +
    'div{white-space:pre-wrap;overflow-wrap:anywhere;min-height:1.5em}.gap{text-align:center;opacity:.7}' +
    '.bold{font-weight:700}.italic{font-style:italic}.hide{visibility:hidden}' +
    '.under{text-decoration:underline}.strike{text-decoration:line-through}.over{text-decoration:overline}' +
    `.fi{color:${ground}}.bi{background:${text}}a{color:inherit}`;
  for (let i = 0; i < 16; i++) {
    css += `.f${i}{color:${colour(`c${i}`)}}.b${i}{background:${colour(`c${i}`)}}`;
  }
  probe.remove();
  const page = document.implementation.createHTMLDocument(title);
  page.head.append(element(page, 'style', css));
  for (const row of rows) {
    const line = page.importNode(row.element, true);
    for (const name of line.getAttributeNames()) if (name !== 'class' || row.n) line.removeAttribute(name);
    page.body.append(line, '\n');
  }
  return `<!doctype html>\n<meta charset="utf-8">\n${page.documentElement.outerHTML}\n`;
}

/**
 * An element of another document.
 * @param {Document} page
 * @param {string} name
 * @param {string} text
 */
function element(page, name, text) {
  const e = page.createElement(name);
  e.textContent = text;
  return e;
}
