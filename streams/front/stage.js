/* Stage: what the viewer is told over the picture, by one attribute: data-state. */

const TROUBLES = {
  network: {
    what: "The video cannot be loaded",
    why: "The connection to the server fails again and again.",
    todo: "Check your network. The player keeps trying by itself.",
  },
  media: {
    what: "The video cannot be played",
    why: "This browser could not decode what the streamer sends.",
    todo: "Try again, or use another browser.",
  },
};

/**
 * Decide what to show.
 * @param {"offline" | "starting" | "live" | "reconnecting"} server the stream's state
 * @param {string} condition the player's @param {boolean} trouble
 * @returns {"offline" | "starting" | "loading" | "reconnecting" | "playing" | "error"}
 */
export function stageOf(server, condition, trouble) {
  if (condition === "playing" || condition === "paused") return "playing";
  if (server === "offline" || server === "starting") return server;
  if (server === "reconnecting") return "reconnecting";
  return trouble ? "error" : "loading";
}

export class Stage {
  #root;

  constructor(root) {
    this.#root = root;
  }

  show(server, player) {
    const state = stageOf(server, player.condition, Boolean(player.trouble));
    if (state === "error") this.#explain(TROUBLES[player.trouble.kind]);
    if (this.#root.dataset.state !== state) this.#root.dataset.state = state;
  }

  #explain({ what, why, todo }) {
    const texts = { what, why, do: todo };
    for (const [part, text] of Object.entries(texts)) {
      const node = this.#root.querySelector(`#error-${part}`);
      if (node.textContent !== text) node.textContent = text;
    }
  }
}
