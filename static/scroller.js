// @ts-check
// Closer to the end than this, scrolling down follows the end again.
const NEAR_END_PX = 12;
// A finger that moved back by this much scrolls up.
const TOUCH_PX = 3;
// After a change of the layout, the browser takes some frames to lay out what is newly in
// view. Until then, heights are guesses, and the place that the reader had may be out of reach.
const SETTLING_FRAMES = 30;
// Browsers round positions to the pixels of the screen.
const SAME_PX = 0.2;
// The rows that readers look at, by class, the most important first.
const ANCHORS = ['marked', 'current', 'cursor'];

/**
 * @typedef {object} Row
 * @property {HTMLElement} element
 *
 * @typedef {object} Anchor a row, and where it is
 * @property {Row} row
 * @property {number} part which point of the row, from 0 (its top) to 1
 * @property {number} y the point's distance from the window's top
 *
 * @typedef {object} ScrollerCallbacks
 * @property {(following: boolean) => void} follow following began or ended
 * @property {() => void} release the view is about to go to the end, after it was held
 * @property {() => void} moved other rows are in view, or the same ones elsewhere
 * @property {() => Row[]} inView the rows in view, in order, and maybe some around them
 * @property {(row: Row) => Row | undefined} visible the row, or if it is hidden the one to
 *   look at instead; undefined if it is gone
 */

/**
 * Decides where an element that grows is scrolled to. While it follows, the end is in view;
 * otherwise what the reader looks at stays where it is in the window, whatever changes around
 * it. Only the reader ends following. Scroll events don't show who scrolled, because the
 * browser also scrolls when the layout changes: that is corrected here, before it is drawn.
 */
export class Scroller {
  #element;
  #callbacks;
  #observer;
  #following = true;
  /** @type {'' | 'mouse' | 'finger'} what presses on the text */
  #pressing = '';
  #releasing = 0; // the timer that ends the press
  #fingerY = 0; // the highest place where the finger was
  #selected = false; // text is selected
  // What was last known; a scroll event with the same heights is the reader's.
  #top = 0;
  #scrollHeight = 0;
  #clientHeight = 0;
  /** @type {Anchor | undefined} what the reader looks at, and where the reader has put it */
  #place;
  /** @type {Anchor | undefined} what takes its place, if the place is out of reach */
  #held;
  #settling = 0; // for how many frames more

  /**
   * @param {HTMLElement} element
   * @param {ScrollerCallbacks} callbacks
   */
  constructor(element, callbacks) {
    this.#element = element;
    this.#callbacks = callbacks;
    this.#observer = new ResizeObserver((entries) => {
      this.#restore(entries.some((e) => e.target === element) || this.#settling > 0);
    });
    this.#observer.observe(element);
    element.addEventListener('scroll', () => this.#onScroll(), { passive: true });
    element.addEventListener('wheel', (e) => {
      if (e.ctrlKey) return;
      if (e.deltaY < 0) this.#pause();
      if (e.deltaY > 0) this.#resume();
    }, { passive: true });
    element.addEventListener('keydown', (e) => {
      if (['ArrowUp', 'PageUp'].includes(e.key) || e.key === 'Home' && e.ctrlKey) this.#pause();
      if (['ArrowDown', 'PageDown'].includes(e.key) && !e.shiftKey) this.#resume();
    });
    this.#listenToPointers();
    document.addEventListener('selectionchange', () => this.#onSelect());
  }

  /** Whether the end stays in view. */
  get following() {
    return this.#following;
  }

  /** @param {boolean} following */
  set following(following) {
    if (following === this.#following) return;
    this.#following = following;
    if (following) this.#goOn();
    else this.anchor();
    this.#callbacks.follow(following);
  }

  /** Whether the view stays where it is, if only as long as the reader presses somewhere. */
  get still() {
    return !this.#following || this.#pressing !== '';
  }

  /** Whether the view stays where it is, and the end is more than a window below it. */
  get away() {
    return this.still && this.#scrollHeight - this.#top > 2 * this.#clientHeight;
  }

  /** Adjusts the position, from now on, when a part of the content changes its height. @param {Element} part */
  observe(part) {
    this.#observer.observe(part);
  }

  /** @param {Element} part */
  unobserve(part) {
    this.#observer.unobserve(part);
  }

  /**
   * Changes the layout, but not the place.
   * @param {() => void} change
   */
  keep(change) {
    this.#onScroll(); // its event may be yet to come
    change();
    this.#settle();
    this.#restore(true);
  }

  /**
   * Pauses, and scrolls to a row.
   * @param {Row} row
   * @param {'center' | 'nearest'} block where in the view the row goes
   */
  goTo(row, block) {
    this.following = false;
    row.element.scrollIntoView({ block });
    this.#note();
    this.#place = this.#held = { row, part: 0, y: row.element.getBoundingClientRect().top };
    this.#settle();
  }

  /** Pauses, and scrolls to the start. */
  goToStart() {
    this.following = false;
    this.#element.scrollTop = 0;
    this.#note();
    this.anchor();
  }

  /** Must be called when the reader looks at something else: chooses what stays where it is. */
  anchor() {
    if (!this.still || !this.#element.clientHeight) return;
    const view = this.#element.getBoundingClientRect();
    const rows = this.#callbacks.inView().map((row) => ({ row, box: row.element.getBoundingClientRect() }));
    const whole = rows.filter(({ box }) => box.height > 0 && box.top > view.top - 1 && box.top < view.bottom);
    const selection = this.#selected ? getSelection() : null;
    const chosen = whole.find(({ row }) => selection?.containsNode(row.element, true)) ??
      ANCHORS.map((name) => whole.find(({ row }) => row.element.classList.contains(name))).find((found) => found) ?? whole[0];
    if (chosen) {
      this.#place = { row: chosen.row, part: 0, y: chosen.box.top };
    } else {
      const tall = rows.find(({ box }) => box.height > 0 && box.bottom > view.top); // it fills the view
      this.#place = tall && { row: tall.row, part: (view.top - tall.box.top) / tall.box.height, y: view.top };
    }
    this.#held = this.#place;
  }

  /** Waits for the browser to lay out what is newly in view: for some frames, which may take long. */
  #settle() {
    const wait = () => { if (--this.#settling > 0) requestAnimationFrame(wait); };
    if (this.#settling <= 0) requestAnimationFrame(wait);
    this.#settling = SETTLING_FRAMES;
  }

  #listenToPointers() {
    const element = this.#element;
    const press = (/** @type {'mouse' | 'finger'} */ what) => {
      clearTimeout(this.#releasing); // of the press before
      this.#pressing = what;
      this.anchor();
    };
    const release = () => {
      clearTimeout(this.#releasing);
      this.#releasing = setTimeout(() => { // after the click, which must meet what was pressed
        this.#pressing = '';
        this.#goOn();
      });
    };
    element.addEventListener('pointerdown', (e) => {
      if (e.pointerType === 'touch') return;
      const bar = e.target === element && e.clientX >= element.getBoundingClientRect().left + element.clientLeft + element.clientWidth;
      if (bar || e.button === 1) this.#pause(); // the middle button scrolls as well
      if (e.button === 0 && !bar) press('mouse');
    });
    const releaseMouse = () => { if (this.#pressing === 'mouse') release(); };
    for (const name of ['pointerup', 'pointercancel', 'dragend', 'blur']) addEventListener(name, releaseMouse);
    addEventListener('pointermove', (e) => { if (!e.buttons) releaseMouse(); }); // it may have ended elsewhere
    const move = (/** @type {TouchEvent} */ e) => {
      const y = e.touches[0].clientY;
      this.#fingerY = Math.min(this.#fingerY, y);
      if (e.touches.length === 1 && y > this.#fingerY + TOUCH_PX) this.#pause();
    };
    const lift = (/** @type {TouchEvent} */ e) => { if (!e.touches.length) release(); };
    element.addEventListener('touchstart', (e) => {
      this.#fingerY = e.touches[0].clientY;
      press('finger');
      // What follows goes to the text that was touched, even if that has been replaced by then.
      const touched = /** @type {HTMLElement} */ (e.target);
      touched.addEventListener('touchmove', move, { passive: true });
      touched.addEventListener('touchend', lift);
      touched.addEventListener('touchcancel', lift);
    }, { passive: true });
  }

  /** The reader scrolls up, if there is anything to scroll. */
  #pause() {
    if (this.#element.scrollHeight > this.#element.clientHeight) this.following = false;
  }

  /** The reader scrolls down further than the end: follows it, even if text is selected. */
  #resume() {
    const { scrollTop, scrollHeight, clientHeight } = this.#element;
    if (scrollHeight - clientHeight - scrollTop <= NEAR_END_PX && !this.#pressing) this.following = true;
  }

  /** Goes to the end, after the view was held. */
  #goOn() {
    if (this.still) return;
    this.#settle();
    this.#place = this.#held = undefined;
    this.#callbacks.release();
    this.#restore(false);
  }

  #onSelect() {
    const selection = getSelection();
    const before = this.#selected;
    this.#selected = selection?.type === 'Range' && selection.getRangeAt(0).intersectsNode(this.#element);
    if (this.#selected && !before) this.following = false;
    if (this.#selected) this.anchor();
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#element;
    const by = scrollTop - this.#top;
    if (Math.abs(by) < SAME_PX || !clientHeight) {
      this.#callbacks.moved();
      return;
    }
    const end = scrollHeight - clientHeight;
    const changed = scrollHeight !== this.#scrollHeight || clientHeight !== this.#clientHeight;
    if (changed && (!this.still || by < 0 && scrollTop > end - 1)) { // the layout's
      this.#restore(false);
      return;
    }
    if (this.#following && by < -1 && this.#settling > 0) { // what is left of a scroll from before
      this.#restore(false);
      return;
    }
    this.#note();
    if (this.#following && by < -1) this.following = false; // by means unknown: the browser's own search
    this.anchor();
    if (by > 0 && end - scrollTop <= NEAR_END_PX && this.#pressing !== 'mouse' && !this.#selected) this.following = true;
    this.#callbacks.moved();
  }

  /**
   * Brings the end into view, or what the reader looks at to its place.
   * @param {boolean} wanted to the place that the reader had put it, even if it was out of reach
   */
  #restore(wanted) {
    const element = this.#element;
    if (!element.clientHeight) return; // hidden
    if (!this.still) {
      element.scrollTop = element.scrollHeight;
    } else {
      const anchor = wanted ? this.#place : this.#held;
      const row = anchor && this.#callbacks.visible(anchor.row);
      if (row) this.#hold(row, row === anchor.row ? anchor.part : 0, anchor.y);
      else this.anchor();
    }
    this.#note();
    this.#callbacks.moved();
  }

  /**
   * Scrolls so that a point of a row is at a place, or as close to it as possible.
   * @param {Row} row
   * @param {number} part
   * @param {number} y
   */
  #hold(row, part, y) {
    const where = () => {
      const box = row.element.getBoundingClientRect();
      return { y: box.top + part * box.height, height: box.height };
    };
    const now = where();
    const { bottom } = this.#element.getBoundingClientRect();
    const line = parseFloat(getComputedStyle(this.#element).lineHeight);
    const by = now.y - Math.min(y, bottom - Math.min(now.height * (1 - part), line)); // in a lower window, still in view
    if (Math.abs(by) >= 0.5) this.#element.scrollTop += by;
    this.#held = { row, part, y: where().y };
  }

  #note() {
    ({ scrollTop: this.#top, scrollHeight: this.#scrollHeight, clientHeight: this.#clientHeight } = this.#element);
  }
}
