// A case's timeline: what was said, what was decided and why, what the clocks did.

import { at } from "./clock.js";
import { h } from "./dom.js";
import { code, details, duration, parameter, reason, t } from "./words.js";

export function statusChip(status) {
  return h("span", { class: `chip status-${status}` }, code("status", status));
}

/** The clocks of a case; with `risky` only those that have warned or are late. */
export function slaChips(sla, risky = false) {
  return Object.entries(sla ?? {})
    .filter(([, one]) => !risky || one.risk !== "none")
    .map(([clock, one]) => [" ", h("span", { class: `chip risk-${one.risk}` },
      code("clock", clock), " ", one.risk === "none" ? code("clockstate", one.state) : code("risk", one.risk))]);
}

/** The entries as list items. `newer` are ids of messages that the reader hasn't seen. */
export function timeline(detail, app, newer = new Set()) {
  const entries = shown(detail.timeline);
  return h("ol", { class: "timeline" }, entries.map((entry) => {
    const fresh = entry.kind === "interaction" && newer.has(entry.message.id);
    return h("li", { class: `${entry.kind} ${side(entry)}${fresh ? " newer" : ""}`, data: { place: place(entry) } },
      item(entry, app));
  }));
}

/** What only repeats its neighbour is left out. */
function shown(entries) {
  const quiet = new Set(["effect.reported", "command.repeated", "case.waiting"]);
  return entries.filter((entry) => !quiet.has(entry.type)
    || (entry.type === "effect.reported" && entry.data?.state !== "sent")
    || (entry.type === "case.waiting" && entry.data?.reason !== "replied"));
}

export function place(entry) {
  return `${entry.kind}-${entry.place.partition}-${entry.place.offset}-${entry.place.index}`;
}

function side(entry) {
  if (entry.kind === "interaction") return entry.message.direction === "inbound" ? "theirs" : "sent";
  if (entry.type === "case.replied") return "ours";
  if (entry.type === "case.noted") return "note";
  return "fact";
}

function item(entry, app) {
  if (entry.kind === "interaction") return message(entry);
  if (entry.type === "case.replied") return said(entry, t("timeline.replied", { name: app.name(entry.agent) }),
    h("span", { class: "small" }, t(`then.${entry.data.then}`)));
  if (entry.type === "case.noted") return said(entry, t("timeline.noted", { name: entry.agent ? app.name(entry.agent) : t("role.supervisor") }),
    h("strong", { class: "small" }, t("note.never")));
  return fact(entry, app);
}

function message(entry) {
  const one = entry.message;
  const from = one.sender?.name ?? one.sender?.external_id ?? "–";
  if (one.direction !== "inbound") {
    return h("details", null,
      h("summary", null, at(entry.at), " ", t("timeline.sent", { to: (one.recipients ?? []).map((to) => to.external_id).join(", ") || code("channel", one.channel) })),
      one.subject ? h("p", { class: "small" }, one.subject) : null, h("div", { class: "text" }, one.text ?? ""));
  }
  const own = one.reply_text ?? one.text ?? "";
  const whole = one.text ?? "";
  return [
    h("p", { class: "by" }, h("b", null, from), " ", h("span", { class: "small" }, at(entry.at), " · ", code("channel", one.channel),
      one.language ? ` · ${one.language}` : "", (one.flags ?? []).map((flag) => [" ", h("span", { class: "chip" }, code("flag", flag))]))),
    h("div", { class: "text", lang: one.language && one.language !== "und" ? one.language : null }, own || t("timeline.notext")),
    whole.trim() !== own.trim() ? h("details", { class: "whole" }, h("summary", null, t("timeline.whole")), h("div", { class: "text" }, whole)) : null,
    (one.attachments ?? []).length ? h("ul", { class: "files", "aria-label": t("timeline.files") }, one.attachments.map((file) =>
      h("li", null, file.name ?? file.mime ?? "–", " ", h("small", null, file.size ? `${Math.ceil(file.size / 1024)} KiB` : "")))) : null,
  ];
}

function said(entry, by, after) {
  return [
    h("p", { class: "by" }, h("b", null, by), " ", h("span", { class: "small" }, at(entry.at)), " ", after),
    h("div", { class: "text" }, entry.text ?? t("timeline.notext")),
  ];
}

function fact(entry, app) {
  const data = entry.data ?? {};
  const line = [at(entry.at), " ", h("span", { class: "what" }, sentence(entry, data, app))];
  const why = because(entry, data, app);
  if (!why.length) return h("p", { class: "line" }, line);
  return h("details", null, h("summary", null, line, " ", h("span", { class: "why" }, t("timeline.why"))), why);
}

/** One sentence for a decision or an SLA event. */
function sentence(entry, data, app) {
  const places = {
    name: app.name(entry.agent),
    queue: data.queue ?? "–",
    tiers: (data.to_tiers ?? data.tiers ?? []).join(", ") || "–",
    reason: data.reason ? code("reason", data.reason) : "",
    outcome: code("outcome", data.outcome),
    waits: code("waits", data.waits_for),
    kind: code("notice", data.kind),
    clock: code("clock", data.clock),
    state: data.state ?? "",
    code: reason("refusal", data.code, data.params),
    to: data.to_pool ?? data.target ?? "",
    attempt: data.attempt ?? "",
    priority: data.to_priority ?? data.priority ?? "",
  };
  const key = `decision.${entry.type}`;
  const text = t(key, places);
  return text === key ? entry.type : text;
}

/** The reasons of an entry: rule and line, who was looked at, what ruled them out, who won by what. */
function because(entry, data, app) {
  const found = [];
  const rule = (label, one) => one && found.push(fields([[label, [h("code", null, one.id ?? one.name ?? "–"), " ", one.at ? h("code", { class: "at" }, one.at) : null]]]));
  rule(t("why.rule"), data.rule);
  if (data.step_at) rule(t("why.step"), { id: data.step ?? 0, at: data.step_at });
  if (data.explain?.step) rule(t("why.step"), data.explain.step);
  if (data.labels?.length) found.push(fields([[t("why.labels"), data.labels.join(", ")]]));
  if (data.requires) found.push(fields([[t("why.requires"), needs(data.requires)]]));
  if (data.explain) found.push(...explain(data.explain, app));
  if (entry.kind === "sla") found.push(...clock(data));
  if (data.missing?.length) found.push(fields([[t("why.missing"), data.missing.join(", ")]]));
  if (found.length && entry.policy) found.push(fields([[t("why.policy"), h("code", null, entry.policy.slice(0, 12))]]));
  return found;
}

function fields(pairs) {
  return h("dl", { class: "fields" }, pairs.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

function needs(requires) {
  const skills = Object.entries(requires.skills ?? {}).map(([skill, level]) => `${skill} ≥ ${level}`);
  const languages = (requires.languages ?? []).join(" / ");
  return [...skills, languages].filter(Boolean).join(", ") || "–";
}

/** Who was looked at, grouped by what ruled them out, and what made the winner win. */
export function explain(one, app) {
  const found = [fields([[t("why.looked"), t("why.counts", { candidates: one.candidates, eligible: one.eligible })]])];
  const groups = Object.entries(one.by_code ?? {}).sort(([, a], [, b]) => b - a);
  if (groups.length) {
    found.push(h("ul", { class: "groups" }, groups.map(([key, count]) => {
      const named = (one.rejected ?? []).filter((other) => other.code === key);
      return h("li", null, h("b", null, count), " ", code("rejection", key),
        named.length ? h("ul", null, named.map((other) =>
          h("li", null, [app.name(other.agent_id), details(other.params)].filter(Boolean).join(" – ")))) : null);
    })));
  }
  if (one.terms?.length) {
    found.push(fields([[t("why.won"), h("ul", null, one.terms.map((term) =>
      h("li", null, code("term", term.code), ": ", parameter(term.code, term.value))))]]));
  }
  if (one.queue_order) found.push(fields([[t("why.order"), one.queue_order.join(", ")]]));
  if (one.tie_break) found.push(fields([[t("why.tie"), code("tie", one.tie_break)]]));
  return found;
}

function clock(data) {
  const pairs = [[t("why.target"), duration(data.target_ms)], [t("why.elapsed"), duration(data.elapsed_ms)]];
  if (data.due_ms) pairs.push([t("why.due"), at(new Date(data.due_ms).toISOString())]);
  pairs.push([t("why.calendar"), data.calendar], [t("why.slapolicy"), data.policy]);
  const segments = data.segments ?? [];
  return [fields(pairs), segments.length ? h("table", { class: "segments" },
    h("tbody", null, segments.map((one) => h("tr", null,
      h("td", null, at(new Date(one.from_ms).toISOString()), " – ", at(new Date(one.to_ms).toISOString())),
      h("td", null, code("segment", one.kind), one.name ? ` (${one.name})` : ""),
      h("td", { class: "number" }, duration(one.counted_ms)))))) : null].filter(Boolean);
}
