// One case: what it is, what one may do with it now, its timeline, and the answer being written.

import { get } from "./api.js";
import { at, until } from "./clock.js";
import { Composer } from "./composer.js";
import * as dialogs from "./dialogs.js";
import { fill, h, settled } from "./dom.js";
import { failed } from "./problems.js";
import { explain, slaChips, statusChip, timeline } from "./timeline.js";
import { code, t } from "./words.js";

export class CasePanel {
  /** `agent`: whose inbox this stands in; left out, the reader's own. */
  constructor(box, app, agent = null) {
    this.app = app;
    this.agent = agent ?? (app.me.is_agent ? app.me.subject : null);
    this.box = box;
    this.number = null;
    this.detail = null;
    this.composer = null;
    this.head = h("header", { class: "casehead" });
    this.actions = h("div", { class: "actions", role: "toolbar", "aria-label": t("case.actions") });
    this.waiting = h("details", { class: "waiting", hidden: true });
    this.entries = h("div", { class: "entries" });
    this.place = h("div", { class: "composer" });
    this.again = settled(() => this.load(), 80);
    this.onkeys = () => {};
    this.back = () => {};
    this.done = () => {};
  }

  show(number) {
    if (number === this.number) return;
    this.composer?.close();
    this.composer = null;
    this.number = number;
    this.detail = null;
    if (number === null) {
      fill(this.box, h("p", { class: "empty" }, t("case.choose")));
      this.onkeys([]);
      return;
    }
    fill(this.place);
    fill(this.head, h("p", { class: "small" }, t("say.loading")));
    fill(this.actions);
    fill(this.entries);
    fill(this.box, h("button", { type: "button", class: "quiet back", onclick: () => this.back() }, "← ", t("do.back")),
      this.head, this.actions, this.waiting, this.entries, this.place);
    this.load(true);
  }

  /** The inbox around it was read again: what may be done can differ now. */
  inbox() {
    if (this.number !== null && this.detail !== null) this.again();
  }

  changed(changes, reset) {
    if (this.number !== null && (reset || changes.some((one) => one.number === this.number))) this.again();
    if (changes.some((one) => one.number === this.number && one.type === "draft.changed")) this.composer?.elsewhere();
  }

  close() {
    this.again.stop();
    this.composer?.close();
  }

  async load(first = false) {
    const wanted = this.number;
    let detail;
    try {
      detail = await get(`/cases/${encodeURIComponent(wanted)}`);
    } catch (problem) {
      if (wanted === this.number && first) fill(this.head, h("p", { class: "empty" }, t(problem.status === 404 ? "case.unknown" : "say.unreachable")));
      else failed(problem);
      return;
    }
    if (wanted !== this.number) return;
    const bottom = first || this.entries.scrollHeight - this.entries.scrollTop - this.entries.clientHeight < 60;
    this.detail = detail;
    this.draw();
    this.why();
    if (bottom) this.entries.scrollTop = this.entries.scrollHeight;
  }

  /** Why nobody has it yet, as the router sees it right now; nothing where it can't say. */
  async why() {
    const wanted = this.number;
    const waits = this.detail.works.some((one) => one.state === "queued");
    const live = waits ? await get(`/cases/${encodeURIComponent(wanted)}/live`).catch(() => null) : null;
    if (wanted !== this.number) return;
    this.waiting.hidden = !live?.why_not_yet;
    if (this.waiting.hidden) return;
    fill(this.waiting, h("summary", null, h("b", null, t("why.nobody")), " ", h("span", { class: "why" }, t("why.waits"))),
      live.position ? h("p", null, t("why.position"), ": ", live.position) : null, explain(live.why_not_yet, this.app));
  }

  get offer() {
    const mine = (one) => this.agent === null || one.agent === this.agent;
    return this.detail.offers.find((one) => one.state === "pending" && mine(one)) ?? null;
  }

  get held() {
    return this.detail.works.find((one) => one.state === "assigned" || one.state === "wrapping") ?? null;
  }

  /** Whether the reader may work on it: it is theirs, or they may do so for anybody. */
  get mine() {
    if (this.held === null) return false;
    return this.held.agent === this.app.me.subject || ["admin", "supervisor"].includes(this.app.me.role);
  }

  draw() {
    const { detail } = this;
    fill(this.head,
      h("h2", null, detail.number, " ", h("span", { class: "subject" }, detail.subject ?? t("case.nosubject"))),
      h("p", { class: "chips" }, statusChip(detail.status), " ", slaChips(detail.sla),
        detail.labels.map((label) => [" ", h("span", { class: "chip label" }, label)])),
      h("dl", { class: "fields wide" }, [
        [t("case.customer"), [detail.customer.name, detail.customer.address].filter(Boolean).join(" · ") || "–"],
        [t("case.where"), [code("channel", detail.channel), detail.queue, detail.language].filter(Boolean).join(" · ")],
        [t("case.agent"), this.app.name(detail.agent)],
        [t("case.priority"), `${detail.priority ?? 0} · ${t("case.tier", { tier: detail.tier ?? 1 })}`],
        [t("case.opened"), at(detail.opened_at)],
        detail.stage ? [t("case.complaint"), t("case.stage", { stage: detail.stage })] : null,
        detail.wake_at ? [t("case.wakes"), at(detail.wake_at)] : null,
      ].filter(Boolean).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))));
    const unfolded = new Set([...this.entries.querySelectorAll("li:has(details[open])")].map((one) => one.dataset.place));
    fill(this.entries, detail.timeline_truncated ? h("p", { class: "empty" }, t("timeline.cut")) : null,
      timeline(detail, this.app, this.composer?.unread(detail) ?? new Set()));
    for (const one of this.entries.querySelectorAll("li")) {
      if (unfolded.has(one.dataset.place)) one.querySelector("details").open = true;
    }
    this.drawActions();
  }

  drawActions() {
    const bindings = this.possible();
    const focused = document.activeElement?.dataset?.keys;
    const expires = this.offer ? h("span", { class: "chip offer" }, t("inbox.ends"), " ", until(this.offer.expires_at)) : null;
    fill(this.actions, expires, bindings.map((one) => h("button", {
      type: "button", class: one.primary ? "primary" : null, data: { keys: one.keys }, "aria-keyshortcuts": one.keys, onclick: one.run,
    }, t(one.text), " ", h("kbd", { "aria-hidden": "true" }, one.keys))));
    if (focused) this.actions.querySelector(`[data-keys="${focused}"]`)?.focus();
    this.onkeys(bindings);
    const writes = this.mine && this.app.may("case.reply") && this.detail.status === "open";
    if (writes && this.composer === null) {
      this.composer = new Composer(this.place, this);
    } else if (!writes && this.composer !== null) {
      this.composer.close();
      this.composer = null;
      fill(this.place);
    }
    this.composer?.refresh(this.detail);
    if (!writes) {
      fill(this.place, this.detail.draft_by ? h("p", { class: "small" }, t("draft.by", { name: this.app.name(this.detail.draft_by) })) : null);
    }
  }

  /** What one may do now, with its key. */
  possible() {
    const { app, detail, offer } = this;
    const act = (keys, text, run, primary = false) => ({ keys, text, run, primary });
    if (offer !== null && app.may("offer.answer") && (offer.agent === app.me.subject || app.me.role !== "agent")) {
      return [
        act("a", "do.accept", () => dialogs.accept(this, offer), true),
        act("d", "do.decline", () => dialogs.decline(this, offer)),
      ];
    }
    const open = !["resolved", "closed"].includes(detail.status);
    const found = [];
    if (this.mine && open) {
      found.push(
        act("r", "do.reply", () => this.composer?.focus(), true),
        act("n", "do.note", () => dialogs.note(this)),
        act("w", "do.wait", () => dialogs.wait(this)),
        act("t", "do.transfer", () => dialogs.transfer(this)),
        act("e", "do.escalate", () => dialogs.escalate(this)),
        act("x", "do.resolve", () => dialogs.resolve(this)),
        act("z", "do.drop", () => dialogs.drop(this)),
      );
    } else if (app.may("case.note") && (app.me.role !== "agent" || detail.agent === app.me.subject)) {
      found.push(act("n", "do.note", () => dialogs.note(this)));
      if (open && app.me.role !== "agent") found.push(act("e", "do.escalate", () => dialogs.escalate(this)));
      if (open) found.push(act("x", "do.resolve", () => dialogs.resolve(this)), act("z", "do.drop", () => dialogs.drop(this)));
    }
    return found;
  }

  /** After something was done: look again, here and in the list beside it. */
  async settledNow() {
    await this.load();
    this.entries.scrollTop = this.entries.scrollHeight;
    this.done();
  }
}
