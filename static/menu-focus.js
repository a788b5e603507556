// @ts-check
/**
 * Makes a popover that is a menu work by keyboard: arrow keys, Home and End move, and Tab
 * leaves. The browser moves the focus there and back, and closes the menu with Escape.
 * https://www.w3.org/WAI/ARIA/apg/patterns/menubar/
 * @param {HTMLElement} menu
 */
export function handleMenuKeys(menu) {
  const items = /** @type {NodeListOf<HTMLElement>} */ (menu.querySelectorAll('[role^=menuitem]'));
  for (const item of items) item.tabIndex = -1;
  menu.addEventListener('keydown', (e) => {
    const at = [...items].indexOf(/** @type {HTMLElement} */ (e.target));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[e.key];
    if (to !== undefined) items[(to + items.length) % items.length].focus();
    else if (e.key === 'Tab') menu.hidePopover(); // and Tab goes on from the menu's button
    else if (e.key === ' ' && e.target instanceof HTMLAnchorElement) e.target.click();
    if (to !== undefined || e.key === ' ' && e.target instanceof HTMLAnchorElement) e.preventDefault();
  });
}
