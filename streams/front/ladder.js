/* Ladder: keeps the player's qualities those of the stream, which may change while it is on air. */

import { Hls } from "hls-video-element";

/** So that a thousand viewers do not all ask in the same moment, in milliseconds. */
const SPREAD = 1000;
/** Seconds in the buffer before levels are exchanged. There is no hurry: the server gives the
 * nearest quality under the name of one that is gone. */
const CALM = 1.5;
const LOOK_AGAIN = 500;

/** The levels that the master playlist has now, as hls.js makes them. */
function levelsAt(address, onLevels) {
  const scout = new Hls({ autoStartLoad: false });
  const leave = () => setTimeout(() => scout.destroy());
  scout.on(Hls.Events.MANIFEST_PARSED, (_, { levels }) => {
    onLevels([...levels]);
    leave();
  });
  scout.on(Hls.Events.ERROR, (_, { fatal }) => fatal && leave());
  scout.loadSource(address);
}

function isSame(level, other) {
  return level.uri === other.uri && level.width === other.width && level.height === other.height;
}

function hasPicture(levels) {
  return levels.some((level) => level.width > 0);
}

/** Of one hls.js instance; it ends with it. */
export class Ladder {
  #video;
  #hls;
  #cut = null;

  /** @param {import("./live-video.js").LiveVideo} video whose hls.js instance was made just now */
  constructor(video) {
    this.#video = video;
    this.#hls = video.api;
    this.#hls.on(Hls.Events.LEVEL_LOADED, (_, { details }) => this.#look(details.endCC));
    this.#hls.on(Hls.Events.LEVELS_UPDATED, (_, { levels }) => this.#list(levels));
  }

  /** A discontinuity is a new run, and only a new run can have another ladder. */
  #look(cut) {
    const known = this.#cut;
    this.#cut = cut;
    if (known === null || cut <= known) return;
    setTimeout(() => {
      if (this.#current) levelsAt(this.#hls.url, (levels) => this.#current && this.#take(levels));
    }, Math.random() * SPREAD);
  }

  get #current() {
    return this.#video.api === this.#hls;
  }

  /** Levels that stay are the same objects, so what is buffered and loaded stays too. */
  #take(found) {
    const hls = this.#hls;
    // Sound alone instead of pictures, or the reverse, needs a new player; the page sees to that.
    if (hasPicture(found) !== hasPicture(hls.levels)) return;
    if ((hls.mainForwardBufferInfo?.len ?? 0) < CALM) {
      setTimeout(() => this.#current && this.#take(found), LOOK_AGAIN);
      return;
    }
    const levels = found.map((level) => hls.levels.find((old) => isSame(old, level)) ?? level);
    for (const gone of hls.levels.filter((level) => !levels.includes(level))) {
      hls.removeLevel(hls.levels.indexOf(gone));
    }
    if (!levels.every((level) => hls.levels.includes(level))) this.#add(levels);
  }

  /** hls.js has no call to add a level; this is how its own content steering does it. */
  #add(levels) {
    const hls = this.#hls;
    const [loading, chosen] = [hls.levels[hls.loadLevel], hls.levels[hls.manualLevel]];
    levels.forEach((level, index) => {
      for (const fragment of level.details?.fragments ?? []) fragment.level = index;
    });
    hls.trigger(Hls.Events.LEVELS_UPDATED, { levels });
    // Its index may be another one now.
    hls.loadLevel = Math.max(0, levels.indexOf(loading));
    if (!chosen) hls.loadLevel = -1;
  }

  /** The menu, in the order of the levels: the element knows only those it began with. */
  #list(levels) {
    const { videoRenditions } = this.#video;
    const track = this.#video.videoTracks.getTrackById("main");
    const chosen = videoRenditions[videoRenditions.selectedIndex]?.src;
    for (const rendition of [...videoRenditions]) track.removeRendition(rendition);
    for (const [index, { url, width, height, videoCodec, bitrate }] of levels.entries()) {
      const rendition = track.addRendition(url[0], width, height, videoCodec, bitrate);
      rendition.id = `${index}`;
      if (url[0] === chosen) rendition.selected = true;
    }
  }
}
