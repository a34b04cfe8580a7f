/* Line: one message in the list. Text only, never markup. */

import { hueOf } from "./name-colour.js";

function span(className, text) {
  const node = document.createElement("span");
  node.className = className;
  node.textContent = text;
  return node;
}

/** @param {{id: string, name: string, account: boolean, text: string, at: string}} message */
export function makeLine(message) {
  const line = document.createElement("p");
  line.className = "line";
  line.dataset.id = message.id;
  // In one form, so that texts sort as their times do.
  line.dataset.at = new Date(message.at).toISOString();
  line.title = new Date(message.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const name = span("line-name", message.name);
  name.style.setProperty("--hue", hueOf(message.name));
  line.append(name);
  if (message.account) {
    const badge = span("line-account", "");
    badge.title = "Has an account";
    badge.append(span("unseen", " (account)"));
    line.append(badge);
  }
  line.append(span("line-colon", ": "), span("line-text", message.text));
  return line;
}
