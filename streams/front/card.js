/* Card: one stream on the home page, changed in place so that nothing flickers. */

import { setSince } from "./uptime.js";

/** How long a thumbnail is good for, in milliseconds: the server renews it that often. */
const THUMBNAIL_PERIOD = 10_000;
const BADGES = { live: "Live", starting: "Starting", reconnecting: "Reconnecting" };
const number = new Intl.NumberFormat("en", { notation: "compact" });

export function makeCard(template) {
  return template.content.firstElementChild.cloneNode(true);
}

/** Show the stream's state (see streams/api.py) on the card. */
export function updateCard(card, stream) {
  card.dataset.name = stream.name;
  card.dataset.state = stream.state;
  card.querySelector("a").href = `/${stream.name}`;
  setText(card.querySelector(".card-badge"), BADGES[stream.state] ?? "");
  setText(card.querySelector(".card-title"), stream.title || stream.name);
  setText(card.querySelector("[data-field=name]"), stream.name);
  setText(card.querySelector("[data-field=viewers]"), number.format(stream.viewers));
  setSince(card.querySelector("time"), stream.started_at);
  showThumbnail(card.querySelector("img"), stream.thumbnail);
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Swap the picture only when the new one is there: a broken or late one changes nothing. */
async function showThumbnail(image, url) {
  if (!url) return image.removeAttribute("src");
  const address = `${url}?t=${Math.floor(Date.now() / THUMBNAIL_PERIOD)}`;
  if (image.dataset.wanted === address) return;
  image.dataset.wanted = address;
  const next = new Image();
  next.src = address;
  try {
    await next.decode();
    if (image.dataset.wanted === address) image.src = address;
  } catch {
    if (!image.naturalWidth) image.removeAttribute("src");
  }
}
