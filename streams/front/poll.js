/* Poll: one JSON address, asked again and again while somebody looks at the page. */

export class Poll {
  #url;
  #period;
  #onData;
  #timer = null;
  #running = false;

  /** @param {string} url @param {number} period milliseconds @param {(data: any) => void} onData */
  constructor(url, period, onData) {
    this.#url = url;
    this.#period = period;
    this.#onData = onData;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#running) this.#ask();
    });
  }

  /** Ask after one period, and from then on; `now` asks at once. */
  start({ now = false } = {}) {
    if (this.#running) return;
    this.#running = true;
    if (now) this.#ask();
    else this.#later();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  #later() {
    clearTimeout(this.#timer);
    if (this.#running) this.#timer = setTimeout(() => this.#ask(), this.#period);
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    try {
      const signal = AbortSignal.timeout(10_000);
      const answer = await fetch(this.#url, { cache: "no-store", credentials: "omit", signal });
      if (answer.ok && this.#running) this.#onData(await answer.json());
    } catch {
      // The server is away; what the page shows stays until it answers again.
    }
    this.#later();
  }
}
