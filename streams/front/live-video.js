/* LiveVideo: the <live-video> element, which tells when its hls.js instance was made. */

import { HlsVideoElement } from "hls-video-element";

export class LiveVideo extends HlsVideoElement {
  async load() {
    await super.load();
    if (!this.src && !this.api) this.#clearNative();
    this.dispatchEvent(new Event("sourceset"));
  }

  /** Where hls.js is not supported the native element holds the address itself. */
  #clearNative() {
    if (!this.nativeEl?.hasAttribute("src")) return;
    this.nativeEl.removeAttribute("src");
    this.nativeEl.load();
  }
}

if (!customElements.get("live-video")) customElements.define("live-video", LiveVideo);
