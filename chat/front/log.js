/* Log: the list of messages. It follows the newest one unless the reader scrolled up. */

import { makeLine } from "./line.js";

const LINES = 300;
/** A reader further up may have twice as many: lines cut off above would move what is read. */
const LINES_AWAY = 600;
/** How near the end still counts as reading the newest, in pixels. */
const NEAR = 48;

export class Log {
  #list;
  #newer;
  #ids = new Set();
  #follows = true;

  constructor(list, newer) {
    this.#list = list;
    this.#newer = newer;
    list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    newer.addEventListener("click", () => {
      this.#toEnd();
      list.focus({ preventScroll: true });
    });
    // The panel is resized by a phone's keyboard and by a turned screen.
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(list);
  }

  /** The messages that are not there yet, oldest first; read to nobody. */
  addHistory(messages) {
    this.#list.ariaBusy = "true";
    this.#append(messages);
    setTimeout(() => (this.#list.ariaBusy = "false"), 500);
  }

  add(message) {
    this.#append([message]);
  }

  #append(messages) {
    const fresh = messages.filter(({ id }) => !this.#ids.has(id));
    if (!fresh.length) return;
    for (const { id } of fresh) this.#ids.add(id);
    for (const message of fresh) this.#insert(makeLine(message));
    this.#trim();
    if (this.#follows) this.#toEnd();
    else this.#newer.hidden = false;
  }

  /** Where it will be after a reload: what one was cut off from comes late, and not at the end. */
  #insert(line) {
    let before = this.#list.lastElementChild;
    while (before && before.dataset.at > line.dataset.at) before = before.previousElementSibling;
    if (before) before.after(line);
    else this.#list.prepend(line);
  }

  #trim() {
    const limit = this.#follows ? LINES : LINES_AWAY;
    while (this.#list.childElementCount > limit) {
      const oldest = this.#list.firstElementChild;
      this.#ids.delete(oldest.dataset.id);
      oldest.remove();
    }
  }

  #toEnd() {
    this.#follows = true;
    this.#newer.hidden = true;
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.#follows) this.#newer.hidden = true;
  }
}
