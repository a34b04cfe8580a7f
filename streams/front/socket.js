/* Socket: the page's one WebSocket. It comes back by itself, and notices a line that went dead. */

const PING_EVERY = 20_000;
const ANSWER_WITHIN = 10_000;
const LONGEST_WAIT = 30_000;
/** Close codes after which trying again is useless: the server knows no such stream. */
const FINAL = new Set([4404]);

/** Milliseconds before the next attempt; random, so that a restarted server is not stormed. */
export function backOff(attempt, random = Math.random()) {
  const ceiling = Math.min(LONGEST_WAIT, 1000 * 2 ** attempt);
  return ceiling * (0.5 + random / 2);
}

/** Events: "up" (the welcome), "down" (detail: final?), "message" (detail: the parsed message). */
export class Socket extends EventTarget {
  #url;
  #socket = null;
  #attempt = 0;
  #retry = null;
  #ping = null;
  #answer = null;
  isUp = false;

  constructor(url) {
    super();
    this.#url = url;
    window.addEventListener("online", () => {
      if (this.#retry) this.open();
    });
  }

  open() {
    clearTimeout(this.#retry);
    this.#retry = null;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lost(event.code);
    };
    this.#expectAnswer();
  }

  /** @returns {boolean} whether the message went out */
  send(message) {
    if (!this.isUp || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #receive(text) {
    clearTimeout(this.#answer);
    this.#answer = null;
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message.type === "welcome") this.#welcomed();
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  #welcomed() {
    this.#attempt = 0;
    this.isUp = true;
    clearInterval(this.#ping);
    this.#ping = setInterval(() => {
      if (this.send({ type: "ping" })) this.#expectAnswer();
    }, PING_EVERY);
    this.dispatchEvent(new Event("up"));
  }

  #expectAnswer() {
    // The first unanswered request counts, not the last one.
    this.#answer ??= setTimeout(() => {
      const socket = this.#socket;
      this.#lost(0);
      socket.close();
    }, ANSWER_WITHIN);
  }

  #lost(code) {
    this.#socket = null;
    this.isUp = false;
    clearInterval(this.#ping);
    clearTimeout(this.#answer);
    this.#answer = null;
    const final = FINAL.has(code);
    if (!final) this.#retry = setTimeout(() => this.open(), backOff(this.#attempt++));
    this.dispatchEvent(new CustomEvent("down", { detail: final }));
  }
}
