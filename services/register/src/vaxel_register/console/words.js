// Texts, numbers and times in the reader's language.

let texts = {};
let locale = "en";
let forms = "en";
export let languages = {};

export async function load(language) {
  const answer = await fetch(`/api/v1/texts?language=${encodeURIComponent(language)}`);
  const said = await answer.json();
  texts = said.texts;
  locale = said.language;
  languages = said.languages;
  // Someone who reads English in Finland doesn't write times as in America.
  forms = navigator.languages.find((one) => one.split("-")[0] === locale) ?? (locale === "en" ? "en-GB" : locale);
  document.documentElement.lang = locale;
}

export function language() {
  return locale;
}

/** The text of a key with its {places} filled; the key itself where there is none. */
export function t(key, places = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => places[name] ?? whole);
}

export function has(key) {
  return key in texts;
}

/** A code of an open list (status, presence, clock …) in words, else made readable. */
export function code(group, value) {
  if (value === null || value === undefined) return "–";
  const key = `${group}.${value}`;
  return has(key) ? texts[key] : String(value).replaceAll("_", " ");
}

/** A reason with what it is about: "skill level too low (skill billing, level 2)". */
export function reason(group, value, params = {}) {
  const said = details(params);
  return code(group, value) + (said ? ` (${said})` : "");
}

/** What a reason is about: "skill billing, level 2"; empty where there is nothing to say. */
export function details(params) {
  return Object.entries(params ?? {})
    .filter(([, one]) => one !== null && one !== undefined)
    .map(([name, one]) => `${name.replace(/_ms$/, "").replaceAll("_", " ")} ${parameter(name, one)}`)
    .join(", ");
}

export function parameter(name, value) {
  if (Array.isArray(value)) return value.length ? value.join(" / ") : "–";
  if (/(since|until)_ms$/.test(name)) return value > 0 ? instant(new Date(value)) : "–";
  if (name === "sticky") return t(value ? "yes" : "no");
  if (value !== null && typeof value === "object") {
    return Object.entries(value).map(([key, one]) => `${key} ${parameter(key, one)}`).join(", ");
  }
  return String(value);
}

export function time(date) {
  return new Intl.DateTimeFormat(forms, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(date);
}

export function instant(date) {
  const today = new Date().toDateString() === date.toDateString();
  if (today) return time(date);
  return new Intl.DateTimeFormat(forms, { dateStyle: "medium", timeStyle: "short" }).format(date);
}

/** A length of time in its two largest units. */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(Math.abs(ms) / 1000));
  const parts = [
    [Math.floor(seconds / 86400), "day"],
    [Math.floor(seconds / 3600) % 24, "hour"],
    [Math.floor(seconds / 60) % 60, "minute"],
    [seconds % 60, "second"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  const shown = first < 0 ? [[0, "second"]] : parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown
    .map(([count, unit]) => new Intl.NumberFormat(forms, { style: "unit", unit, unitDisplay: "narrow" }).format(count))
    .join(" ");
}
