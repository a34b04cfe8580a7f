/* The watch page: the stream's state comes in, player, stage, facts and chat follow it. */

import "media-chrome";
import "media-chrome/menu";
import "./live-video.js";

import { Chat } from "../../chat/front/chat.js";
import { Facts } from "./facts.js";
import { Player } from "./player.js";
import { Poll } from "./poll.js";
import { Socket } from "./socket.js";
import { Stage, situationOf } from "./stage.js";
import { Unmute } from "./unmute.js";
import { startClocks } from "./uptime.js";

/** After the end of a playlist whose stream still counts as on air, in milliseconds. */
const LOOK_AGAIN = 5000;

const page = JSON.parse(document.getElementById("page").textContent);
const video = document.getElementById("video");
const player = new Player(video);
const stage = new Stage(document.getElementById("stage"));
const facts = new Facts();
let state = page.state;
let playing = null; // what is in the player: a broadcast with its tracks
let again = null;

function draw() {
  const { condition } = player;
  const left = condition === "playing" || condition === "paused";
  if (state.state === "offline" && condition !== "idle" && !left) player.stop();
  else stage.show(situationOf(state), player);
}

/** A playlist whose tracks changed, sound alone to picture and sound say, needs a new player. */
function content() {
  return [state.started_at, ...state.tracks].join(" ");
}

function load() {
  clearTimeout(again);
  playing = content();
  player.play(state.hls, state.thumbnail);
}

function follow(next) {
  state = next;
  const watchable = state.state === "live" || state.state === "reconnecting";
  if (watchable && (player.condition === "idle" || playing !== content())) load();
  else if (watchable) player.carryOn();
  else if (state.state === "offline") player.drain();
  facts.show(state);
  draw();
}

player.addEventListener("change", () => {
  draw();
  clearTimeout(again);
  if (player.condition === "ended") {
    again = setTimeout(() => state.state === "live" && load(), LOOK_AGAIN);
  }
});
document.getElementById("retry").addEventListener("click", () => player.retry());
new Unmute(document.getElementById("unmute"), video.nativeEl);

const address = new URL(`${page.ws}/chat/${state.name}/`, location.href);
address.protocol = address.protocol.replace("http", "ws");
const socket = new Socket(address.href);
const poll = new Poll(`${page.api}/streams/${state.name}`, 5000, follow);
new Chat(document.getElementById("chat"), socket);
socket.addEventListener("up", () => poll.stop());
socket.addEventListener("down", () => poll.start());
socket.addEventListener("message", ({ detail: message }) => {
  if (message.type === "welcome") follow(message.state);
  else if (message.type === "state") follow(message);
  else if (message.type === "viewers") facts.showViewers(message.count);
});

// Where the chat is below, the description would push it off the screen.
if (matchMedia("(max-width: 960px)").matches) document.getElementById("about")?.removeAttribute("open");
startClocks();
follow(state);
poll.start();
socket.open();
