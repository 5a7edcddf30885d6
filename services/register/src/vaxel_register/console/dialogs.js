// Everything one does to a case but answering: a short form, Enter or Ctrl+Enter, done.

import { command, get } from "./api.js";
import { fill, h, say } from "./dom.js";
import { failed, words } from "./problems.js";
import { t } from "./words.js";

let asked = 0;

/** A modal form; `send(values)` does it and may throw a Problem, which is shown in place. */
function ask(title, rows, action, send) {
  asked += 1;
  const id = `ask-${asked}`;
  const error = h("p", { class: "error", role: "alert" });
  const go = h("button", { class: "primary" }, t(action), " ", h("kbd", { "aria-hidden": "true" }, "Ctrl ⏎"));
  const form = h("form", { onsubmit: submit },
    h("h2", { id }, t(title)), rows, error,
    h("p", { class: "buttons" }, go, h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, t("do.cancel"))));
  const dialog = h("dialog", { "aria-labelledby": id }, form);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
  async function submit(event) {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    fill(error);
    try {
      await send(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (problem) {
      if (!("code" in problem)) throw problem;
      fill(error, words(problem));
    } finally {
      go.disabled = false;
    }
  }
  document.body.append(dialog);
  dialog.showModal();
  form.querySelector("textarea, select, input")?.focus();
}

function row(label, field) {
  return h("label", null, h("span", null, t(label)), field);
}

function text(name, required = true) {
  return h("textarea", { name, rows: 5, required, maxlength: 20000 });
}

function choices(name, group, values, start) {
  return h("fieldset", null, h("legend", null, t(`${group}.title`)), values.map((one) =>
    h("label", { class: "choice" }, h("input", { type: "radio", name, value: one, checked: one === start }), " ", t(`${group}.${one}`))));
}

/** Does it for the case of a panel, says so, and looks again. */
async function write(panel, verb, body, said) {
  const held = panel.held;
  const token = held && held.agent === panel.app.me.subject ? { token: held.token } : {};
  await command(`/cases/${encodeURIComponent(panel.detail.number)}/${verb}`, { ...token, ...body });
  say(t(said, { number: panel.detail.number }));
  await panel.settledNow();
}

export async function accept(panel, offer) {
  try {
    await command(`/offers/${offer.id}/accept`, { token: offer.token });
    say(t("say.accepted", { number: panel.detail.number }));
  } catch (problem) {
    failed(problem);
  }
  await panel.settledNow();
}

export function decline(panel, offer) {
  const why = ["", "wrong_language", "wrong_skill", "busy", "conflict"];
  ask("decline.title", row("decline.reason", h("select", { name: "reason" },
    why.map((one) => h("option", { value: one }, t(`decline.${one || "none"}`))))), "do.decline", async ({ reason }) => {
    await command(`/offers/${offer.id}/decline`, { token: offer.token, ...(reason ? { reason } : {}) });
    say(t("say.declined", { number: panel.detail.number }));
    await panel.settledNow();
  });
}

export function note(panel) {
  ask("do.note", [h("p", { class: "never" }, t("note.never")), row("note.text", text("text"))], "note.save",
    (values) => write(panel, "note", { text: values.text }, "say.noted"));
}

export function wait(panel) {
  ask("do.wait", [
    choices("for", "waits", ["customer", "third_party", "internal"], "customer"),
    row("wait.until", h("input", { type: "datetime-local", name: "wake" })),
  ], "do.wait", (values) => write(panel, "wait", {
    for: values.for,
    ...(values.wake ? { wake_at: new Date(values.wake).toISOString() } : {}),
  }, "say.waits"));
}

export async function transfer(panel) {
  let queues;
  try {
    queues = (await get("/queues")).items.filter((one) => one.pool === panel.detail.pool);
  } catch (problem) {
    failed(problem);
    return;
  }
  const people = [...panel.app.people.values()].filter((one) => one.pool === panel.detail.pool && one.id !== panel.held?.agent);
  const target = h("select", { name: "target", required: true },
    h("option", { value: "" }, t("transfer.choose")),
    h("optgroup", { label: t("transfer.queues") }, queues.map((one) => h("option", { value: `queue:${one.queue}` }, one.queue))),
    h("optgroup", { label: t("transfer.agents") }, people.map((one) =>
      h("option", { value: `agent:${one.id}` }, `${one.name ?? one.id} (${one.id}) – ${t(`presence.${one.presence ?? "offline"}`)}`))));
  ask("do.transfer", [row("transfer.to", target), h("p", { class: "never" }, t("note.never")), row("transfer.note", text("note"))], "do.transfer",
    (values) => {
      const [kind, name] = values.target.split(":");
      return write(panel, "transfer", { [`to_${kind}`]: name, note: values.note }, "say.transferred");
    });
}

export function escalate(panel) {
  const tiers = [...new Set([...panel.app.people.values()].map((one) => one.tier).filter(Boolean))].sort();
  ask("do.escalate", row("escalate.to", h("select", { name: "tier" }, h("option", { value: "" }, t("escalate.next")),
    tiers.map((one) => h("option", { value: one }, t("case.tier", { tier: one }))))), "do.escalate",
  (values) => write(panel, "escalate", values.tier ? { tier: Number(values.tier) } : {}, "say.escalated"));
}

export function drop(panel) {
  ask("do.drop", [h("p", null, t("drop.explain")), choices("reason", "drop", ["spam", "duplicate", "test", "mistake"], "spam")],
    "do.drop", ({ reason }) => write(panel, "cancel", { reason }, "say.dropped"));
}

export function resolve(panel) {
  ask("do.resolve", h("p", null, t("resolve.explain")), "do.resolve", () => write(panel, "resolve", {}, "say.resolved"));
}
