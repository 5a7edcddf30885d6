// Times that go on by themselves: one timer for the page, whatever is on it.

import { h } from "./dom.js";
import { duration, instant, t } from "./words.js";

/** How long ago, or how long a thing has waited. */
export function since(iso) {
  return ticking("since", iso);
}

/** How long it still is, or by how much it is late. */
export function until(iso) {
  return ticking("until", iso);
}

/** A point in time, as a person says it. */
export function at(iso) {
  if (!iso) return "–";
  const date = new Date(iso);
  return h("time", { datetime: iso, title: date.toString() }, instant(date));
}

function ticking(kind, iso) {
  if (!iso) return "–";
  const element = h("time", { datetime: iso, title: new Date(iso).toString(), data: { ticks: kind } });
  tick(element);
  return element;
}

function tick(element) {
  const ms = Date.now() - Date.parse(element.dateTime);
  if (element.dataset.ticks === "since") {
    element.textContent = duration(Math.max(0, ms));
    return;
  }
  const late = ms > 0;
  element.textContent = late ? t("time.late", { time: duration(ms) }) : duration(ms);
  element.classList.toggle("late", late);
  element.classList.toggle("soon", !late && ms > -60_000);
}

setInterval(() => {
  for (const element of document.querySelectorAll("time[data-ticks]")) tick(element);
}, 1000);
