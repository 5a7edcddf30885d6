// Keys: one table of what is in force, shown by `?`. Letters act only where nothing is being typed.

import { h } from "./dom.js";
import { t } from "./words.js";

let here = [];
let always = [];
let before = "";

/** Keys of the whole console: [{keys: "g i", text: key of a text, run}]. */
export function everywhere(bindings) {
  always = bindings;
}

/** Keys of what is on screen; replaces those of what was. */
export function now(bindings) {
  here = bindings;
}

export function typing(target) {
  return target instanceof HTMLElement
    && (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName)
      || (target.tagName === "INPUT" && !/^(radio|checkbox|button|submit)$/.test(target.type)));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && typing(event.target) && !event.target.closest("dialog")) {
    event.target.blur();
    return;
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  const pressed = before ? `${before} ${event.key}` : event.key;
  const bindings = [...here, ...always];
  const found = bindings.find((one) => one.keys === pressed);
  if (found) {
    before = "";
    event.preventDefault();
    found.run();
    return;
  }
  before = bindings.some((one) => one.keys.startsWith(`${event.key} `)) ? event.key : "";
});

/** The table of keys, as a dialog. */
export function help() {
  const rows = (bindings) => bindings.map((one) => h("tr", null,
    h("td", null, one.keys.split(" ").map((key) => [h("kbd", null, key), " "])),
    h("td", null, t(one.text))));
  const dialog = h("dialog", { class: "keys", "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, t("keys.title")),
    h("table", null,
      here.length ? h("tbody", null, rows(here)) : null,
      h("tbody", null, rows(always)),
      h("tbody", null, rows([
        { keys: "Ctrl Enter", text: "keys.send" },
        { keys: "Esc", text: "keys.escape" },
      ]))),
    h("form", { method: "dialog" }, h("button", { class: "primary", autofocus: true }, t("do.close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
