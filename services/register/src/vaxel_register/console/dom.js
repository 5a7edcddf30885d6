// Elements as values. Text is only ever text: nothing here parses HTML.

/** h("p", {class: "x", onclick: f, hidden: true}, "text", child, [more], null) → element */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

/** Replaces what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(5).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Says something to everybody, screen readers included; errors stay longer. */
export function say(text, kind = "status") {
  const place = document.getElementById(kind);
  const note = h("p", { class: `toast ${kind}` }, text);
  place.replaceChildren(note);
  setTimeout(() => note.remove(), kind === "alert" ? 9000 : 4500);
}

/** Calls `f` once things have been quiet for `ms`; `.now()` calls it at once if it was due. */
export function settled(f, ms) {
  let timer = null;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { timer = null; f(); }, ms);
  };
  later.now = () => { if (timer !== null) { clearTimeout(timer); timer = null; return f(); } return undefined; };
  later.stop = () => { clearTimeout(timer); timer = null; };
  return later;
}
