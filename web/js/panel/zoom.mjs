/**
 * Owns zoom and pan of what is on a stage: by wheel, by drag, by keys. Two stages may share one view.
 */

const SMALLEST = 0.05;
const LARGEST = 32;

/** The view after zooming by `factor` about a point of a pane, which stays where it is. */
export function zoomed({ scale, x, y }, factor, point) {
  const next = Math.min(LARGEST, Math.max(SMALLEST, scale * factor));
  const by = next / scale;
  return { scale: next, x: point.x - (point.x - x) * by, y: point.y - (point.y - y) * by };
}

/** The view in which a picture fits its stage; a small one is not blown up. */
export function fitted(picture, stage) {
  if (!picture.width || !picture.height) return { scale: 1, x: 0, y: 0 };
  const scale = Math.min(1, stage.width / picture.width, stage.height / picture.height);
  return centred(picture, stage, scale);
}

export function centred(picture, stage, scale) {
  return { scale, x: (stage.width - picture.width * scale) / 2, y: (stage.height - picture.height * scale) / 2 };
}

/** What on a stage hears the pointer for itself. */
const ITSELF = "button, input, .adb-text";

export class Zoom {
  /**
   * @param {HTMLElement} stage hears the pointer; has the size that is fitted
   * @param {() => {width: number, height: number}} picture the picture's own size
   * @param {(view: {scale: number, x: number, y: number}) => void} show
   */
  constructor(stage, picture, show) {
    Object.assign(this, { stage, picture, show });
    this.panes = 1; // side by side, each with the same view
    this.isFitted = true;
    this.pointers = new Map();
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    stage.addEventListener("dblclick", (event) => !event.target.closest(ITSELF) && this.toggle());
    this.sizes = new ResizeObserver(() => this.isFitted && this.fit());
    this.sizes.observe(stage);
    this.view = { scale: 1, x: 0, y: 0 };
  }

  destroy() {
    this.sizes.disconnect();
  }

  fit() {
    this.isFitted = true;
    this.#set(fitted(this.picture(), this.#size()));
  }

  /** Between fitting the stage and one pixel for one pixel. */
  toggle() {
    if (!this.isFitted) return this.fit();
    this.isFitted = false;
    return this.#set(centred(this.picture(), this.#size(), 1));
  }

  by(factor) {
    this.isFitted = false;
    const { width, height } = this.#size();
    this.#set(zoomed(this.view, factor, { x: width / 2, y: height / 2 }));
  }

  pan(x, y) {
    this.isFitted = false;
    this.#set({ ...this.view, x: this.view.x + x, y: this.view.y + y });
  }

  #size() {
    return { width: this.stage.clientWidth / this.panes, height: this.stage.clientHeight };
  }

  #set(view) {
    this.view = view;
    this.show(view);
  }

  #point(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) % (box.width / this.panes), y: event.clientY - box.top };
  }

  #wheel(event) {
    if (event.target.closest(ITSELF)) return;
    event.preventDefault();
    this.isFitted = false;
    this.#set(zoomed(this.view, Math.exp(-event.deltaY * 0.0015), this.#point(event)));
  }

  #down(event) {
    if (event.button !== 0 || event.target.closest(ITSELF)) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    this.pointers.set(event.pointerId, now);
    this.isFitted = false;
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      this.#set(zoomed(this.view, distance(now) / distance(before), this.#point({ clientX: other.x, clientY: other.y })));
    } else this.pan(now.x - before.x, now.y - before.y);
  }
}
