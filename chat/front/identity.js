/* Identity: who the viewer is in the chat, and the form that changes it. */

export class Identity {
  #parts;
  #you = null;
  /** A rename is on its way, so the next refusal is about it. */
  pending = false;

  /** @param {(name: string) => boolean} rename says whether the wish went out */
  constructor(parts, rename) {
    this.#parts = parts;
    parts.change.addEventListener("click", () => this.#edit());
    parts.cancel.addEventListener("click", () => this.#close());
    parts.rename.addEventListener("keydown", (event) => event.key === "Escape" && this.#close());
    parts.rename.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = parts.newname.value.trim();
      if (!name || name === this.#you.name) return this.#close();
      this.pending = rename(name);
    });
  }

  /** @param {{name: string, account: boolean}} you */
  show(you) {
    const { name, change } = this.#parts;
    this.#you = you;
    name.textContent = you.name;
    change.hidden = you.account; // an account's name is changed where the account is
    if (this.#parts.rename.hidden) this.#parts.you.hidden = false;
  }

  renamed(you) {
    this.show(you);
    this.#close();
  }

  #edit() {
    const { you, rename, newname } = this.#parts;
    you.hidden = true;
    rename.hidden = false;
    newname.value = this.#you.name;
    newname.select();
  }

  #close() {
    this.pending = false;
    const { you, rename, change } = this.#parts;
    const inside = rename.contains(document.activeElement);
    rename.hidden = true;
    you.hidden = false;
    if (inside) change.focus();
  }
}
