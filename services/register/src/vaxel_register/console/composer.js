// The answer being written. It is kept by the server with the case, so it survives a reload and is
// there for whoever has the case next. It names the last message its writer has read: if the
// customer has written since, it isn't sent, and the new message is shown.

import { command, get, put } from "./api.js";
import { fill, h, say, settled } from "./dom.js";
import { failed, words } from "./problems.js";
import { t, time } from "./words.js";

const SAVE_MS = 600;
const THEN = ["", "waiting", "open", "resolved", "explained"];
// What a choice means beyond its own name.
const MEANS = { explained: { then: "resolved", explanation: true } };

export class Composer {
  constructor(box, panel) {
    this.panel = panel;
    this.number = panel.detail.number;
    this.version = 0;
    this.read = panel.detail.last_contact_seq;
    this.saved = { text: "", then: "" };
    this.closed = false;
    this.busy = false;
    this.chain = Promise.resolve();
    this.text = h("textarea", { rows: 6, maxlength: 200000, "aria-label": t("reply.text"), placeholder: t("reply.text"), oninput: () => this.later() });
    this.then = h("select", { "aria-label": t("reply.then"), onchange: () => this.later() },
      THEN.filter((one) => one !== "explained" || panel.detail.stage).map((one) => h("option", { value: one }, t(one ? `then.${one}` : "then.default"))));
    this.state = h("span", { class: "small", role: "status" });
    this.notice = h("div", { class: "notice", hidden: true });
    this.button = h("button", { class: "primary" }, t("do.send"), " ", h("kbd", { "aria-hidden": "true" }, "Ctrl ⏎"));
    this.later = settled(() => this.save(), SAVE_MS);
    this.gone = () => { if (document.visibilityState === "hidden") this.save(true); };
    document.addEventListener("visibilitychange", this.gone);
    fill(box, h("form", { class: "reply", "aria-label": t("do.reply"), onsubmit: (event) => { event.preventDefault(); this.send(); } },
      this.notice, this.text,
      h("p", { class: "buttons" }, this.button, h("label", null, h("span", { class: "small" }, t("reply.then")), " ", this.then), this.state)));
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.send(); }
    });
    this.load();
  }

  focus() {
    this.text.focus();
    this.text.scrollIntoView({ block: "nearest" });
  }

  close() {
    document.removeEventListener("visibilitychange", this.gone);
    if (!this.closed) this.later.now();
    this.closed = true;
  }

  get dirty() {
    return this.text.value !== this.saved.text || this.then.value !== this.saved.then;
  }

  async load() {
    try {
      const draft = await get(this.path);
      if (!this.closed && !this.dirty) this.take(draft);
    } catch (problem) {
      failed(problem);
    }
  }

  get path() {
    return `/cases/${encodeURIComponent(this.number)}/draft`;
  }

  take(draft) {
    this.version = draft.version;
    this.text.value = draft.text;
    this.then.value = draft.then ?? "";
    this.saved = { text: this.text.value, then: this.then.value };
    if (draft.version && draft.based_on_seq !== null) this.read = draft.based_on_seq;
    if (draft.text && draft.by !== this.panel.app.me.subject) {
      fill(this.state, t("draft.from", { name: this.panel.app.name(draft.by) }));
    } else if (draft.text) {
      fill(this.state, t("draft.kept"));
    }
    this.refresh(this.panel.detail);
  }

  /** Saves one after the other: each follows the version of the one before. */
  save(leaving = false) {
    this.later.stop();
    if (this.closed || !this.dirty) return this.chain;
    this.chain = this.chain.then(() => this.put(leaving)).catch((problem) => { failed(problem); });
    return this.chain;
  }

  async put(leaving = false) {
    const kept = { text: this.text.value, then: this.then.value };
    try {
      const draft = await put(this.path, {
        text: kept.text, then: kept.then || null, based_on_seq: this.read, version: this.version,
      }, { keepalive: leaving && kept.text.length < 20000 });
      this.version = draft.version;
      this.saved = kept;
      fill(this.state, kept.text ? t("draft.saved", { time: time(new Date()) }) : "");
    } catch (problem) {
      if (problem.code !== "draft_changed") throw problem;
      this.differs(problem.body.draft);
    }
  }

  /** Another tab or person has changed the draft: with nothing unsaved here, theirs is shown. */
  async elsewhere() {
    if (this.busy || this.dirty) return;
    const draft = await get(this.path).catch(() => null);
    if (draft !== null && draft.version !== this.version && !this.dirty && !this.closed) this.take(draft);
  }

  differs(theirs) {
    if (theirs.text === this.text.value) { this.take(theirs); return; }
    this.say([
      h("p", null, h("b", null, t("draft.differs", { name: this.panel.app.name(theirs.by) }))),
      h("div", { class: "text" }, theirs.text || "–"),
      h("p", { class: "buttons" },
        h("button", { type: "button", onclick: () => { this.quiet(); this.take(theirs); this.focus(); } }, t("draft.theirs")),
        h("button", { type: "button", onclick: () => { this.quiet(); this.version = theirs.version; this.saved = { text: null, then: null }; this.save(); this.focus(); } }, t("draft.mine"))),
    ]);
  }

  /** Ids of the customer's messages that came after what the writer has read. */
  unread(detail) {
    const found = detail.timeline.filter((entry) => entry.data?.contact_id && entry.place.seq > this.read);
    return new Set(found.map((entry) => entry.data.contact_id));
  }

  /** The case was read again. Without an answer begun, whatever stands there counts as read. */
  refresh(detail) {
    if (this.text.value === "" && !this.busy) this.read = detail.last_contact_seq;
    const unread = this.unread(detail);
    if (unread.size) this.crossed(detail, unread);
    else if (this.notice.dataset.why === "crossed") this.quiet();
  }

  crossed(detail, unread) {
    const messages = detail.timeline.filter((entry) => entry.kind === "interaction" && unread.has(entry.message.id));
    if (this.notice.dataset.why === "crossed" && Number(this.notice.dataset.count) === unread.size) return;
    this.say([
      h("p", null, h("b", null, t("reply.crossed"))),
      messages.map((entry) => h("blockquote", { class: "text" }, entry.message.reply_text ?? entry.message.text ?? "")),
      h("p", { class: "buttons" }, h("button", { type: "button", class: "seen", onclick: () => this.seen() }, t("reply.seen"))),
    ]);
    this.notice.dataset.why = "crossed";
    this.notice.dataset.count = String(unread.size);
  }

  /** The writer has read what came in between, and may send. */
  async seen() {
    this.read = this.panel.detail.last_contact_seq;
    this.quiet();
    this.saved = { text: null, then: null };
    await this.save();
    this.panel.draw();
    this.focus();
  }

  say(children) {
    fill(this.notice, children);
    this.notice.hidden = false;
    this.notice.setAttribute("role", "alert");
    delete this.notice.dataset.why;
  }

  quiet() {
    fill(this.notice);
    this.notice.hidden = true;
    this.notice.removeAttribute("role");
    delete this.notice.dataset.why;
  }

  async send() {
    if (this.busy || this.text.value.trim() === "") return;
    this.busy = true;
    this.button.disabled = true;
    try {
      await this.save();
      if (this.dirty) return; // it couldn't be kept: that is said already
      const { held, app } = this.panel;
      await command(`/cases/${encodeURIComponent(this.number)}/reply`, {
        text: this.text.value,
        expected_seq: this.read,
        ...(MEANS[this.then.value] ?? (this.then.value ? { then: this.then.value } : {})),
        ...(held?.agent === app.me.subject ? { token: held.token } : {}),
      }, `draft-${this.version}`);
      this.sent();
    } catch (problem) {
      await this.stopped(problem);
    } finally {
      this.busy = false;
      this.button.disabled = false;
    }
    await this.panel.settledNow();
  }

  sent() {
    this.text.value = "";
    this.then.value = "";
    this.saved = { text: "", then: "" };
    this.version = 0;
    fill(this.state);
    this.quiet();
    say(t("say.sent", { number: this.number }));
  }

  async stopped(problem) {
    if (problem.code !== "newer_message") { failed(problem); return; }
    await this.panel.load();
    if (this.notice.hidden) this.say([h("p", null, h("b", null, words(problem)))]);
    this.notice.querySelector(".seen")?.focus();
  }
}
