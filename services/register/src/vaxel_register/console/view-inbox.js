// What one agent is offered and has in hand, beside the case that was chosen.

import { get } from "./api.js";
import { until, since } from "./clock.js";
import { CasePanel } from "./case.js";
import { fill, h, settled } from "./dom.js";
import * as keys from "./keys.js";
import { failed } from "./problems.js";
import { statusChip } from "./timeline.js";
import { code, t } from "./words.js";

export function open(box, place, app, key) {
  const agent = key === "inbox" ? app.me.subject : place.rest[0] ?? app.me.subject;
  const root = key === "inbox" ? "inbox" : `agent/${agent}`;
  const chosenOf = (where) => (key === "inbox" ? where.rest[0] : where.rest[1]) ?? null;
  let number = chosenOf(place);
  let inbox = { offers: [], works: [] };
  const offers = h("ul", { class: "list", "aria-label": t("inbox.offers") });
  const works = h("ul", { class: "list", "aria-label": t("inbox.works") });
  const counts = { offers: h("span"), works: h("span") };
  const side = h("div", { class: "detail" });
  const panel = new CasePanel(side, app, agent);
  fill(box, h("div", { class: "master" },
    h("h1", null, key === "inbox" ? t("nav.inbox") : t("inbox.of", { name: app.name(agent) })),
    h("h2", null, t("inbox.offers"), " ", counts.offers), offers,
    h("h2", null, t("inbox.works"), " ", counts.works), works), side);

  const all = () => [...inbox.offers, ...inbox.works];

  async function load() {
    try {
      inbox = await get(`/agents/${encodeURIComponent(agent)}/inbox`);
    } catch (problem) {
      failed(problem);
      return;
    }
    draw();
    if (number === null && all().length && matchMedia("(min-width: 60rem)").matches) choose(all()[0].number, true);
    else panel.inbox(inbox);
  }

  function draw() {
    counts.offers.textContent = inbox.offers.length ? `(${inbox.offers.length})` : "";
    counts.works.textContent = inbox.works.length ? `(${inbox.works.length})` : "";
    const focused = document.activeElement?.dataset?.number;
    fill(offers, inbox.offers.length ? inbox.offers.map((one) => item(one, [
      h("span", { class: "chip offer" }, t("inbox.ends"), " ", until(one.expires_at))]))
      : h("li", { class: "empty" }, t("inbox.nooffers")));
    fill(works, inbox.works.length ? inbox.works.map((one) => item(one, [
      statusChip(one.status), one.state === "wrapping" ? h("span", { class: "chip" }, t("work.wrapping")) : null,
      h("span", { class: "small" }, since(one.assigned_at))]))
      : h("li", { class: "empty" }, t("inbox.noworks")));
    if (focused) box.querySelector(`.list [data-number="${CSS.escape(focused)}"]`)?.focus();
    const waiting = inbox.offers.length;
    document.title = `${waiting ? `(${waiting}) ` : ""}${t("nav.inbox")} – Vaxel`;
  }

  function item(one, signs) {
    return h("li", null, h("a", {
      href: `#/${root}/${one.number}`, "aria-current": one.number === number ? "true" : null, data: { number: one.number },
    }, h("span", { class: "first" }, h("b", null, one.number), " ", signs),
    h("span", { class: "subject" }, one.subject ?? t("case.nosubject")),
    h("span", { class: "small" }, [code("channel", one.channel), one.queue, one.language].filter(Boolean).join(" · "))));
  }

  function choose(wanted, quietly = false) {
    if (quietly) history.replaceState(null, "", `#/${root}/${wanted}`);
    else { app.go(`${root}/${wanted}`); return; }
    follow({ rest: key === "inbox" ? [wanted] : [agent, wanted], query: new URLSearchParams() });
  }

  function step(by) {
    const items = all();
    const here = items.findIndex((one) => one.number === number);
    const to = items[here < 0 ? 0 : Math.min(items.length - 1, Math.max(0, here + by))];
    if (to) choose(to.number);
  }

  function follow(where) {
    if (key === "agent" && (where.rest[0] ?? app.me.subject) !== agent) return false;
    number = chosenOf(where);
    box.classList.toggle("chosen", number !== null);
    draw();
    panel.inbox(inbox);
    panel.show(number);
    return true;
  }

  panel.onkeys = (bindings) => keys.now([
    { keys: "j", text: "keys.next", run: () => step(1) },
    { keys: "k", text: "keys.previous", run: () => step(-1) },
    ...bindings,
  ]);
  panel.back = () => app.go(root);
  panel.done = load;
  panel.onkeys([]);
  follow(place);
  const again = settled(load, 60);
  load();
  return {
    follow,
    changed: (changes, reset) => {
      const mine = changes.some((one) => one.agent === agent || all().some((two) => two.number === one.number));
      if (reset || mine) again();
      panel.changed(changes, reset);
    },
    close: () => { again.stop(); panel.close(); },
  };
}
