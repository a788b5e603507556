// @ts-check
/**
 * Makes text selectable from within a link. Browsers drag the link instead, and Chromium doesn't
 * begin a selection there in any case.
 * @param {HTMLElement} element
 */
export function selectFromLinks(element) {
  /** @type {CaretPosition | null} */
  let start = null;
  element.addEventListener('pointerdown', (e) => {
    const link = /** @type {Element} */ (e.target).closest('a');
    start = link && e.pointerType === 'mouse' && e.button === 0 && !e.shiftKey ? caretAt(e) : null;
  });
  element.addEventListener('dragstart', (e) => { if (start) e.preventDefault(); });
  addEventListener('pointermove', (e) => {
    if (!(e.buttons & 1)) start = null;
    const end = start && caretAt(e);
    if (!start || !end || !element.contains(end.offsetNode)) return;
    getSelection()?.setBaseAndExtent(start.offsetNode, start.offset, end.offsetNode, end.offset);
  });
  element.addEventListener('click', (e) => { // it ended a selection
    const selection = getSelection();
    const target = /** @type {Element} */ (e.target);
    if (selection?.type === 'Range' && target.closest('a') && selection.containsNode(target, true)) e.preventDefault();
  });
}

/** @param {MouseEvent} e */
const caretAt = ({ clientX, clientY }) => document.caretPositionFromPoint?.(clientX, clientY) ?? null;
