/* Chat: the panel beside the player. Wire format: chat/events.py. */

import { Composer } from "./composer.js";
import { Identity } from "./identity.js";
import { Log } from "./log.js";

export class Chat {
  #root;
  #parts = {};
  #log;
  #composer;
  #identity;
  #quiet = null;

  /** @param {HTMLElement} root @param {import("../../streams/front/socket.js").Socket} socket */
  constructor(root, socket) {
    this.#root = root;
    for (const node of root.querySelectorAll("[data-part]")) this.#parts[node.dataset.part] = node;
    const parts = this.#parts;
    this.#log = new Log(parts.list, parts.newer);
    this.#composer = new Composer(parts, (text) => this.#say(socket, { type: "message", text }));
    this.#identity = new Identity(parts, (name) => this.#say(socket, { type: "rename", name }));
    socket.addEventListener("up", () => this.#link("up", ""));
    socket.addEventListener("down", ({ detail: final }) => {
      if (final) this.#link("closed", "Not available");
      else this.#link("down", "Reconnecting…");
    });
    socket.addEventListener("message", ({ detail }) => this.#receive(detail));
  }

  #say(socket, message) {
    this.#complain("");
    return socket.send(message);
  }

  #receive(message) {
    switch (message.type) {
      case "welcome":
        this.#identity.show(message.you);
        return this.#log.addHistory(message.history);
      case "message":
        this.#composer.accepted(message.text);
        return this.#log.add(message);
      case "renamed":
        return this.#identity.renamed(message.you);
      case "refused":
        return this.#refused(message);
    }
  }

  #refused({ detail, retry_after: seconds }) {
    this.#complain(detail, seconds);
    if (this.#identity.pending) this.#identity.pending = false;
    else this.#composer.refused(seconds);
  }

  #complain(sentence, seconds = 0) {
    clearTimeout(this.#quiet);
    if (sentence) this.#quiet = setTimeout(() => this.#complain(""), Math.max(seconds, 8) * 1000);
    this.#parts.refused.textContent = sentence;
    this.#parts.refused.hidden = !sentence;
  }

  #link(state, text) {
    this.#root.dataset.state = state;
    this.#parts.link.textContent = text;
    this.#composer.up = state === "up";
  }
}
