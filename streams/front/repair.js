/* Repair: which rung of the ladder comes next after a fatal playback error. No effects. */

const LONGEST_WAIT = 15_000;
/** Media errors further apart than this have nothing to do with each other. */
const MEMORY = 60_000;
const REBUILDS = 3;

/**
 * next() gives {action: "load" | "recover" | "rebuild" | "give-up", delay: ms, visible: boolean};
 * `visible` says that it has lasted long enough to tell the viewer.
 */
export class Repair {
  #network = 0;
  #media = [];

  /** @param {{kind: "network" | "media", manifest: boolean}} error */
  next(error, now = Date.now(), random = Math.random()) {
    return error.kind === "network" ? this.#reach(error.manifest, random) : this.#mend(now);
  }

  /** Media arrived again. */
  healthy() {
    this.#network = 0;
  }

  #reach(manifest, random) {
    const ceiling = Math.min(LONGEST_WAIT, 1000 * 2 ** this.#network);
    this.#network += 1;
    const action = manifest ? "rebuild" : "load";
    return { action, delay: ceiling * (0.5 + random / 2), visible: this.#network >= 3 };
  }

  #mend(now) {
    this.#media = this.#media.filter((at) => now - at < MEMORY);
    this.#media.push(now);
    const count = this.#media.length;
    if (count === 1) return { action: "recover", delay: 0, visible: false };
    if (count <= 1 + REBUILDS) return { action: "rebuild", delay: 500 * count, visible: false };
    this.#media = [];
    return { action: "give-up", delay: 0, visible: true };
  }
}
