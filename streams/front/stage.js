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

/** @param state the stream's, see streams/api.py @returns its state, or why it is offline */
export function situationOf({ state, reason }) {
  return reason ?? state;
}

/**
 * Decide what to show.
 * @param {"offline" | "ended" | "failed" | "starting" | "live" | "reconnecting"} situation
 * @param {string} condition the player's @param {boolean} trouble
 * @returns the situation, or "loading", "playing" or "error"
 */
export function stageOf(situation, condition, trouble) {
  if (condition === "playing" || condition === "paused") return "playing";
  if (situation !== "live") return situation;
  return trouble ? "error" : "loading";
}

export class Stage {
  #root;

  constructor(root) {
    this.#root = root;
  }

  show(situation, player) {
    const state = stageOf(situation, player.condition, Boolean(player.trouble));
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
