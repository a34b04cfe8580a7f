/* The home page: follows what is on air without a reload. */

import { makeCard, updateCard } from "./card.js";
import { Poll } from "./poll.js";
import { startClocks } from "./uptime.js";

const page = JSON.parse(document.getElementById("page").textContent);
const listing = document.getElementById("listing");
const cards = document.getElementById("cards");
const count = document.getElementById("count");
const template = document.getElementById("card");

function show(streams) {
  const present = new Map([...cards.children].map((card) => [card.dataset.name, card]));
  let place = cards.firstElementChild;
  for (const stream of streams) {
    const card = present.get(stream.name) ?? makeCard(template);
    present.delete(stream.name);
    updateCard(card, stream);
    if (card === place) place = place.nextElementSibling;
    else cards.insertBefore(card, place);
  }
  for (const gone of present.values()) gone.remove();
  listing.dataset.state = streams.length ? "some" : "none";
  const text = streams.length === 0 ? "" : streams.length === 1 ? "1 stream" : `${streams.length} streams`;
  if (count.textContent !== text) count.textContent = text;
}

new Poll(`${page.api}/streams`, 5000, (data) => show(data.streams)).start({ now: true });
startClocks();
