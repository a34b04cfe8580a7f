/* Facts: the line under the player: on air or not, who watches, since when. */

import { situationOf } from "./stage.js";
import { setSince } from "./uptime.js";

const BADGES = {
  live: "Live",
  starting: "Starting",
  reconnecting: "Reconnecting",
  offline: "Offline",
  ended: "Ended",
  failed: "Problem",
};
const number = new Intl.NumberFormat("en");

export class Facts {
  #badge = document.getElementById("badge");
  #viewers = document.getElementById("viewers");
  #uptime = document.getElementById("uptime");

  /** @param state the stream's, see streams/api.py */
  show(state) {
    const situation = situationOf(state);
    this.#badge.dataset.state = situation;
    this.#badge.textContent = BADGES[situation];
    setSince(this.#uptime, state.started_at);
    this.#uptime.closest(".fact").hidden = !state.started_at;
    this.showViewers(state.viewers);
  }

  /** @param {number} count */
  showViewers(count) {
    const text = number.format(count);
    if (this.#viewers.textContent !== text) this.#viewers.textContent = text;
  }
}
