// @ts-check
/**
 * A view shows output in an element of the page: as a log, as a screen, as plain text.
 * The page shows one view at a time. All views are kept up to date, hidden or not, by
 * the Output (output.js) that they belong to.
 * @abstract
 */
export class View {
  /**
   * @protected
   * @readonly
   */
  element;

  /** @param {HTMLElement} element which nothing but the view changes */
  constructor(element) {
    this.element = element;
  }

  /** Makes the view visible, up to date and where the reader left it. */
  show() {
    this.element.hidden = false;
  }

  /** Hides the view. */
  hide() {
    this.element.hidden = true;
  }

  /** Called when the page has other colours. A view that uses the style sheet's has nothing to do. */
  recolour() {}
}
