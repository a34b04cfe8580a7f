/* Player: the video element and hls.js behind it; plays an address, and repairs itself. */

import { Hls } from "hls-video-element";

import { HLS_CONFIG } from "./hls-config.js";
import { Ladder } from "./ladder.js";
import { LiveEdge } from "./live-edge.js";
import { Repair } from "./repair.js";

const WATCHED = ["playing", "waiting", "pause", "play", "ended", "canplay", "emptied", "seeked"];

/** Event "change": its `condition` or `trouble` may be another one now. */
export class Player extends EventTarget {
  /** null, or {kind: "network" | "media", final: boolean}: worth telling the viewer. */
  trouble = null;
  #video;
  #address = "";
  #played = false;
  #draining = false;
  #broken = false;
  #picked = false;
  #repair = new Repair();
  #timer = null;

  /** @param {import("./live-video.js").LiveVideo} video */
  constructor(video) {
    super();
    this.#video = video;
    video.config = HLS_CONFIG;
    for (const name of WATCHED) video.addEventListener(name, () => this.#changed(name));
    video.addEventListener("sourceset", () => this.#guard(video.api));
    video.addEventListener("error", () => this.#nativeError());
    const controller = video.closest("media-controller");
    new LiveEdge(video, controller);
    controller.addEventListener("mediarenditionrequest", (event) => {
      this.#picked = event.detail !== "auto";
    });
  }

  /** "idle", "loading", "playing", "waiting", "paused" or "ended". */
  get condition() {
    const video = this.#video.nativeEl;
    if (!this.#address) return "idle";
    if (video.ended) return "ended";
    if (video.paused && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) return "paused";
    if (video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) return "playing";
    return this.#played ? "waiting" : "loading";
  }

  /** @param {string} address the master playlist @param {string | null} poster */
  play(address, poster) {
    this.#address = address;
    this.#draining = false;
    this.#repair = new Repair();
    if (poster) this.#video.poster = `${poster}?t=${Date.now()}`;
    this.#rebuild();
  }

  /** The broadcast ended: play what is buffered, repair nothing. */
  drain() {
    this.#draining = true;
    clearTimeout(this.#timer);
  }

  /** It goes on after all. */
  carryOn() {
    this.#draining = false;
    if (this.#broken) this.retry();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#address = "";
    this.trouble = null;
    this.#video.removeAttribute("poster");
    this.#video.removeAttribute("src");
    this.#tell();
  }

  /** Begin again at the live edge. */
  retry() {
    this.#repair = new Repair();
    this.trouble = null;
    this.#rebuild();
  }

  #rebuild() {
    clearTimeout(this.#timer);
    this.#played = false;
    this.#picked = false;
    this.#broken = false;
    this.#video.removeAttribute("src");
    this.#video.src = this.#address;
    this.#tell();
  }

  #changed(name) {
    if (name === "playing") {
      this.#played = true;
      this.trouble = null;
    }
    if (name === "canplay" && !this.#played) this.#begin();
    this.#tell();
  }

  #begin() {
    const video = this.#video.nativeEl;
    video.play().catch(() => {
      // Sound needs a gesture on this page first; pictures do not.
      video.muted = true;
      video.play().catch(() => this.#tell());
    });
  }

  /** Watch one hls.js instance; it ends with its source. */
  #guard(hls) {
    if (!hls) return;
    new Ladder(this.#video);
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (data.fatal && hls === this.#video.api) this.#fatal(hls, data);
    });
    hls.on(Hls.Events.FRAG_BUFFERED, () => this.#repair.healthy());
    hls.on(Hls.Events.LEVEL_SWITCHED, () => {
      // The element pins a lower quality after a failed segment; only the viewer may pin one.
      const renditions = this.#video.videoRenditions;
      if (!this.#picked && renditions.selectedIndex !== -1) renditions.selectedIndex = -1;
    });
  }

  #fatal(hls, { type, details }) {
    const kind = type === Hls.ErrorTypes.NETWORK_ERROR ? "network" : "media";
    this.#fix(kind, details.startsWith("manifest") || details.startsWith("levelEmpty"), hls);
  }

  #nativeError() {
    if (this.#video.api || !this.#address) return;
    const decode = this.#video.nativeEl.error?.code === MediaError.MEDIA_ERR_DECODE;
    this.#fix(decode ? "media" : "network", true, null);
  }

  #fix(kind, manifest, hls) {
    this.#broken = this.#draining;
    if (this.#draining) return this.#tell();
    const step = this.#repair.next({ kind, manifest });
    if (step.visible) this.trouble = { kind, final: step.action === "give-up" };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#take(step.action, hls), step.delay);
    this.#tell();
  }

  #take(action, hls) {
    if (action === "give-up") return;
    if (action === "load" && hls) hls.startLoad();
    else if (action === "recover" && hls) hls.recoverMediaError();
    else this.#rebuild();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
