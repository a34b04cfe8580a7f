/* Composer: the box one writes in. What is typed stays until the server has it. */

export const LONGEST = 500;
/** The counter shows itself when this many characters are left. */
const NEAR_LIMIT = 60;

/** Characters as the server counts them: code points. */
function lengthOf(text) {
  return [...text].length;
}

export class Composer {
  #parts;
  #send;
  #sent = null;
  #up = false;
  #heldUntil = 0;

  /** @param {(text: string) => boolean} send says whether the text went out */
  constructor(parts, send) {
    this.#parts = parts;
    this.#send = send;
    parts.text.addEventListener("input", () => this.#draw());
    parts.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      parts.form.requestSubmit();
    });
    parts.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#draw();
  }

  set up(value) {
    this.#up = value;
    this.#draw();
  }

  /** The server took a message; if it was ours, nothing needs to be given back. */
  accepted(text) {
    if (text === this.#sent) this.#sent = null;
  }

  /** The server refused the last message: give it back, and hold for so many seconds. */
  refused(seconds = 0) {
    const { text } = this.#parts;
    if (this.#sent && !text.value) text.value = this.#sent;
    this.#sent = null;
    this.#heldUntil = Date.now() + seconds * 1000;
    if (seconds) setTimeout(() => this.#draw(), seconds * 1000 + 20);
    this.#draw();
  }

  #submit() {
    const text = this.#parts.text.value.trim();
    if (!this.#ready || !this.#send(text)) return;
    this.#sent = text;
    this.#parts.text.value = "";
    this.#draw();
  }

  get #ready() {
    const text = this.#parts.text.value.trim();
    return this.#up && Date.now() >= this.#heldUntil && text !== "" && lengthOf(text) <= LONGEST;
  }

  #draw() {
    const { text, left, send } = this.#parts;
    const rest = LONGEST - lengthOf(text.value.trim());
    left.hidden = rest > NEAR_LIMIT;
    left.textContent = rest < 0 ? `${-rest} too many` : `${rest} left`;
    left.classList.toggle("over", rest < 0);
    send.disabled = !this.#ready;
    // The box grows with its text; the style sheet sets the limit.
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }
}
