// Queues, agents and clocks at risk, as they are right now.

import { get } from "./api.js";
import { at, since } from "./clock.js";
import { fill, h, settled } from "./dom.js";
import { failed } from "./problems.js";
import { table as slaTable } from "./view-sla.js";
import { code, t } from "./words.js";

const PACE_MS = 200;

export function open(box, _place, app) {
  const queues = h("section", { "aria-labelledby": "queues-title" });
  const risks = h("section", { "aria-labelledby": "sla-title" });
  const agents = h("section", { "aria-labelledby": "agents-title" });
  fill(box, h("h1", null, t("nav.overview")), risks, queues, agents);

  async function load() {
    try {
      const [q, s, a] = await Promise.all([get("/queues"), get("/sla"), app.refreshPeople()]);
      fill(queues, h("h2", { id: "queues-title" }, t("queues.title")), queueTable(q.items));
      fill(risks, h("h2", { id: "sla-title" }, t("sla.title")), slaTable(s.items, app));
      fill(agents, h("h2", { id: "agents-title" }, t("agents.title")), agentTable(a, app));
    } catch (problem) {
      failed(problem);
    }
  }

  const again = settled(load, PACE_MS);
  load();
  return { changed: again, close: again.stop };
}

function queueTable(items) {
  const sum = (name) => items.reduce((total, one) => total + one[name], 0);
  return h("table", null,
    h("thead", null, h("tr", null,
      ["queue", "waiting", "offered", "assigned", "oldest"].map((one) =>
        h("th", { scope: "col", class: one === "queue" ? null : "number" }, t(`queues.${one}`))))),
    h("tbody", null, items.map((one) => h("tr", { class: one.waiting ? "busy" : null },
      h("th", { scope: "row" }, h("a", { href: `#/cases?queue=${encodeURIComponent(one.queue)}` }, one.queue)),
      number(one.waiting, t("queues.waiting")), number(one.offered, t("queues.offered")),
      number(one.assigned, t("queues.assigned")),
      h("td", { class: "number", data: { label: t("queues.oldest") } }, since(one.oldest_since))))),
    items.length > 1 ? h("tfoot", null, h("tr", null, h("th", { scope: "row" }, t("queues.all")),
      number(sum("waiting"), t("queues.waiting")), number(sum("offered"), t("queues.offered")),
      number(sum("assigned"), t("queues.assigned")), h("td", null))) : null);
}

function number(value, label) {
  return h("td", { class: value ? "number" : "number none", data: { label } }, value);
}

function agentTable(items, app) {
  const order = { available: 0, away: 1, offline: 2 };
  const sorted = [...items].sort((a, b) =>
    (order[a.presence] ?? 3) - (order[b.presence] ?? 3) || a.id.localeCompare(b.id));
  return h("table", null,
    h("thead", null, h("tr", null, ["agent", "presence", "tier", "load", "skills", "languages"].map((one) =>
      h("th", { scope: "col" }, t(`agents.${one}`))))),
    h("tbody", null, sorted.map((one) => h("tr", null,
      h("th", { scope: "row" }, app.may("inbox.read") && (app.me.role !== "agent" || one.id === app.me.subject)
        ? h("a", { href: `#/agent/${one.id}` }, one.name ?? one.id) : one.name ?? one.id,
      " ", h("small", null, one.id)),
      h("td", { data: { label: t("agents.presence") } },
        h("span", { class: `dot ${one.presence}` }), code("presence", one.presence), ruledOut(one)),
      h("td", { data: { label: t("agents.tier") } }, one.tier ?? "–"),
      h("td", { data: { label: t("agents.load") } }, load(one), one.elsewhere.map(elsewhere)),
      h("td", { data: { label: t("agents.skills") } }, levels(one.skills)),
      h("td", { data: { label: t("agents.languages") } }, levels(one.languages))))));
}

// What keeps new work away for a while besides presence, in the words of the reasons.
function ruledOut(one) {
  const until = (words, instant) => (instant ? [words, " (", at(instant), ")"] : [words]);
  const said = [
    one.reachable_until ? until(t("rejection.presence_lost"), one.reachable_until) : null,
    one.off_shift ? until(t("rejection.presence_off_shift"), one.shift_changes_at) : null,
    one.rests_until ? until(t("rejection.resting"), one.rests_until) : null,
    one.occupied ? [t("rejection.occupancy_full")] : null,
    ...Object.entries(one.closed).map(([channel, end]) => until(`${code("channel", channel)}: ${t("rejection.channel_off")}`, end)),
  ];
  return said.filter(Boolean).map((words) => h("div", { class: "small" }, words));
}

function load(one) {
  const words = t("agents.loaded", { works: one.works, offers: one.offers, capacity: one.capacity ?? "–" });
  const most = one.capacity || 1;
  const taken = one.elsewhere.reduce((sum, tool) => sum + tool.capacity, one.works + one.offers);
  return h("span", { class: "load" },
    h("meter", { min: 0, max: most, value: Math.min(taken, most), "aria-hidden": "true" }),
    words);
}

// What the agent has in a tool of their own.
function elsewhere(tool) {
  const what = Object.entries(tool.channels).map(([channel, count]) => `${code("channel", channel)} ${count}`);
  return h("div", { class: "small" }, t("agents.elsewhere", { source: tool.source, what: what.join(", ") }));
}

function levels(them) {
  const sorted = Object.entries(them ?? {}).sort(([, a], [, b]) => b - a);
  return sorted.map(([name, level]) => [h("span", { class: "tag" }, name, " ", h("b", null, level)), " "]);
}
