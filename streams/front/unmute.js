/* Unmute: the button that says why there is no sound. */

export class Unmute {
  /** @param {HTMLButtonElement} button @param {HTMLVideoElement} video */
  constructor(button, video) {
    const draw = () => {
      button.hidden = !video.muted || video.paused;
    };
    for (const name of ["volumechange", "playing", "pause", "emptied"]) {
      video.addEventListener(name, draw);
    }
    button.addEventListener("click", () => {
      video.muted = false;
      if (!video.volume) video.volume = 1;
    });
  }
}
