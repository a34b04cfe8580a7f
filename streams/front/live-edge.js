/* LiveEdge: brings viewers back to now after a stall, unless they were watching the past anyway. */

/** Seconds further behind than intended that playing a little faster would not soon make good. */
const TOO_FAR = 6;
/** How long after a stall to look: what was held up arrives in a burst, but not all at once. */
const LOOK_FOR = 20_000;

export class LiveEdge {
  #video;
  #behind = false;
  #stalled = false;
  #lookUntil = 0;

  /** @param {import("./live-video.js").LiveVideo} video @param {HTMLElement} controller */
  constructor(video, controller) {
    this.#video = video;
    video.addEventListener("sourceset", () => this.#begin(false));
    // A seek may wait for its segment too; that is no stall to make good.
    controller.addEventListener("mediaseekrequest", () => this.#begin(true));
    video.addEventListener("waiting", () => (this.#stalled = true));
    video.addEventListener("playing", () => this.#resumed());
    video.addEventListener("timeupdate", () => this.#look());
  }

  #begin(behind) {
    this.#behind = behind;
    this.#stalled = false;
    this.#lookUntil = 0;
  }

  #resumed() {
    if (this.#stalled && !this.#behind) this.#lookUntil = Date.now() + LOOK_FOR;
    this.#stalled = false;
  }

  #look() {
    const hls = this.#video.api;
    if (this.#stalled || !hls?.liveSyncPosition) return;
    const far = hls.latency - hls.targetLatency > TOO_FAR;
    if (Date.now() > this.#lookUntil) this.#behind = far;
    else if (far) this.#video.currentTime = hls.liveSyncPosition;
  }
}
