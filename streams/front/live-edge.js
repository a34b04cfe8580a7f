/* LiveEdge: brings viewers back to now after a stall, unless they chose to watch what was. */

/** Seconds further behind than intended that playing a little faster would not soon make good. */
const TOO_FAR = 6;

export class LiveEdge {
  #video;
  #chosen = false;
  #stalled = false;

  /** @param {import("./live-video.js").LiveVideo} video @param {HTMLElement} controller */
  constructor(video, controller) {
    this.#video = video;
    controller.addEventListener("mediaseekrequest", () => (this.#chosen = true));
    controller.addEventListener("mediapauserequest", () => (this.#chosen = true));
    controller.addEventListener("mediaseektoliverequest", () => (this.#chosen = false));
    video.addEventListener("sourceset", () => (this.#chosen = this.#stalled = false));
    video.addEventListener("waiting", () => (this.#stalled = true));
    video.addEventListener("playing", () => this.#return());
  }

  #return() {
    const hls = this.#video.api;
    const late = this.#stalled && !this.#chosen && hls;
    this.#stalled = false;
    if (!late || hls.liveSyncPosition === null) return;
    if (hls.latency - hls.targetLatency > TOO_FAR) this.#video.currentTime = hls.liveSyncPosition;
  }
}
