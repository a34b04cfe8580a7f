/* Uptime: every <time data-since> on the page, ticking. */

/** @param {number} seconds @returns {string} "3:07" or "1:03:07" */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-since]")) {
    const since = Date.parse(time.dataset.since);
    const text = Number.isNaN(since) ? "" : clock((Date.now() - since) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

/** @param {HTMLTimeElement} time @param {string | null} since ISO 8601 */
export function setSince(time, since) {
  time.dataset.since = since ?? "";
}

export function startClocks() {
  tick();
  setInterval(tick, 1000);
}
