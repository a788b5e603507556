// @ts-check
/**
 * Makes each drag with the mouse select from where it began. Chromium loses the beginning if rounding its
 * position to whole pixels gives another character, and drags links instead of beginning a selection there.
 * @param {HTMLElement} element
 */
export function selectByDragging(element) {
  /** @type {CaretPosition | null} where the drag began */
  let start = null;
  element.addEventListener('pointerdown', (e) => {
    start = e.pointerType === 'mouse' && e.button === 0 && !e.shiftKey ? caretAt(e) : null;
    const selection = getSelection(); // dragging what is selected takes it elsewhere
    if (start && selection?.type === 'Range' && selection.getRangeAt(0).isPointInRange(start.offsetNode, start.offset)) start = null;
  });
  document.addEventListener('mousedown', (e) => { // a second click selects words, a number is no text
    if (e.defaultPrevented || e.detail > 1) start = null;
  });
  element.addEventListener('dragstart', (e) => { if (start) e.preventDefault(); });
  addEventListener('pointermove', (e) => {
    if (!(e.buttons & 1)) start = null;
    const end = start && caretAt(e);
    if (!start?.offsetNode.isConnected || !end || !element.contains(end.offsetNode)) return;
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
