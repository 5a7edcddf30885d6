// Begins the console: who am I, which language, which view; and tells the view what has changed.

import { WHO, command, end, get } from "./api.js";
import { fill, h, say, settled } from "./dom.js";
import { listen } from "./events.js";
import * as keys from "./keys.js";
import { failed } from "./problems.js";
import * as agentView from "./view-inbox.js";
import * as casesView from "./view-cases.js";
import * as overviewView from "./view-overview.js";
import * as slaView from "./view-sla.js";
import * as tryView from "./view-try.js";
import { language, languages, load, t } from "./words.js";

const LANGUAGE = "vaxel.language";
const LAST = "vaxel.as";
const main = document.getElementById("main");

const VIEWS = {
  overview: { view: overviewView, text: "nav.overview", keys: "g o" },
  inbox: { view: agentView, text: "nav.inbox", keys: "g i", when: (me) => me.is_agent },
  agent: { view: agentView, hidden: true },
  cases: { view: casesView, text: "nav.cases", keys: "g c" },
  sla: { view: slaView, text: "nav.sla", keys: "g s" },
  try: { view: tryView, text: "nav.try", keys: "g t", when: (me) => me.demo },
};

let connected = false;
const app = { me: null, people: new Map(), current: null, go, may, name, refreshPeople };

function may(action) {
  return app.me.actions.includes(action);
}

/** An agent as people call them. */
function name(id) {
  if (!id) return "–";
  const known = app.people.get(id)?.name;
  return known ? `${known} (${id})` : id;
}

function go(place) {
  location.hash = `#/${place}`;
}

function shown() {
  return Object.entries(VIEWS).filter(([, one]) => !one.hidden && (!one.when || one.when(app.me)));
}

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [key, ...rest] = path.split("/").map(decodeURIComponent);
  const chosen = VIEWS[key] && (!VIEWS[key].when || VIEWS[key].when(app.me)) ? key : null;
  const start = app.me.is_agent && app.me.role !== "supervisor" ? "inbox" : "overview";
  const wanted = chosen ?? start;
  const place = { rest: chosen ? rest : [], query: new URLSearchParams(query ?? "") };
  const same = app.current?.key === wanted && app.current.view.follow?.(place);
  if (!same) {
    app.current?.view.close?.();
    keys.now([]);
    const box = h("div", { class: `view ${wanted}` });
    fill(main, box);
    const view = VIEWS[wanted].view.open(box, place, app, wanted);
    app.current = { key: wanted, view };
  }
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.key === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(VIEWS[wanted].text ?? "nav.agent")} – Vaxel`;
}

function header() {
  document.getElementById("skip").textContent = t("nav.skip");
  const nav = document.getElementById("nav");
  nav.setAttribute("aria-label", t("nav.label"));
  fill(nav, h("ul", null, shown().map(([key, one]) =>
    h("li", null, h("a", { href: `#/${key}`, data: { key }, title: one.keys }, t(one.text))))));
  fill(document.getElementById("tools"),
    h("span", { id: "live", class: connected ? "live on" : "live", title: t("live.why") }, t(connected ? "live.on" : "live.off")),
    app.me.is_agent ? presence() : null,
    h("select", { "aria-label": t("nav.language"), onchange: (event) => speak(event.target.value) },
      Object.entries(languages).map(([code, called]) =>
        h("option", { value: code, selected: code === language() }, called))),
    h("button", { type: "button", class: "quiet", title: t("keys.title"), "aria-label": t("keys.title"), onclick: keys.help }, "?"),
    h("span", { class: "me" }, app.me.name ?? app.me.subject, " ", h("small", null, t(`role.${app.me.role}`))),
    h("button", { type: "button", class: "quiet", onclick: leave }, t("do.leave")));
  document.getElementById("top").hidden = false;
}

function presence() {
  const mine = app.people.get(app.me.subject)?.presence ?? "offline";
  const choose = async (event) => {
    try {
      await command(`/agents/${app.me.subject}/presence`, { presence: event.target.value });
    } catch (problem) {
      failed(problem);
    }
    await refreshPeople();
    header();
    route();
  };
  return h("select", { class: `presence ${mine}`, "aria-label": t("presence.mine"), onchange: choose },
    ["available", "away", "offline"].map((one) =>
      h("option", { value: one, selected: one === mine }, t(`presence.${one}`))));
}

async function refreshPeople() {
  const { items } = await get("/agents");
  app.people = new Map(items.map((one) => [one.id, one]));
  return items;
}

async function speak(code) {
  localStorage.setItem(LANGUAGE, code);
  await load(code);
  header();
  app.current = null;
  route();
}

async function leave() {
  await end("/session").catch(() => null);
  sessionStorage.removeItem(LAST);
  location.replace("/");
}

function bindings() {
  keys.everywhere([
    ...shown().map(([key, one]) => ({ keys: one.keys, text: one.text, run: () => go(key) })),
    { keys: "/", text: "keys.search", run: () => go("cases?find=1") },
    { keys: "?", text: "keys.title", run: keys.help },
  ]);
}

const peopleAgain = settled(() => refreshPeople()
  .then(() => { if (!document.activeElement?.closest("#tools")) header(); }, () => null), 500);

function changed(changes) {
  const reset = changes.some((one) => one.type === "reset");
  if (reset || changes.some((one) => one.type === "agent.changed" || one.type === "roster.adopted")) {
    peopleAgain();
  }
  app.current?.view.changed?.(changes, reset);
  for (const one of changes) {
    if (one.type === "offer.made" && one.agent === app.me.subject) say(t("say.offer", { number: one.number ?? "" }));
  }
}

function live(on) {
  connected = on;
  const sign = document.getElementById("live");
  if (!sign) return;
  sign.textContent = t(on ? "live.on" : "live.off");
  sign.classList.toggle("on", on);
}

async function begin() {
  await load(localStorage.getItem(LANGUAGE) ?? navigator.language);
  try {
    app.me = await get("/session");
  } catch (problem) {
    fill(main, h("div", { class: "closed" }, h("h1", null, "Vaxel"),
      h("p", null, t(problem.status === 401 ? "login.needed" : "say.unreachable")),
      h("p", null, h("code", null, "vaxel login"), " ", h("code", null, "vaxel login --agent a01"))));
    return;
  }
  await refreshPeople().catch(failed); // somebody of no roster may see nobody
  header();
  bindings();
  addEventListener("hashchange", route);
  route();
  listen(changed, live);
}

// An address without a name means whoever this tab was last.
const last = sessionStorage.getItem(LAST);
if (WHO) sessionStorage.setItem(LAST, WHO);
if (!WHO && last) location.replace(`/?as=${encodeURIComponent(last)}${location.hash}`);
else begin();
