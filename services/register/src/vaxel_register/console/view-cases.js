// All cases: a search with filters beside the case that was chosen.

import { get } from "./api.js";
import { at } from "./clock.js";
import { CasePanel } from "./case.js";
import { fill, h, settled } from "./dom.js";
import * as keys from "./keys.js";
import { failed } from "./problems.js";
import { slaChips, statusChip } from "./timeline.js";
import { t } from "./words.js";

const STATUSES = ["open", "waiting_customer", "waiting_third_party", "waiting_internal", "resolved", "merged", "handed_over", "closed"];

export function open(box, place, app) {
  let number = place.rest[0] ?? null;
  let next = null;
  let items = [];
  const find = h("input", { type: "search", id: "find", value: place.query.get("q") ?? "", placeholder: t("cases.find"), "aria-label": t("cases.find") });
  const status = h("select", { "aria-label": t("cases.status") }, h("option", { value: "" }, t("cases.any")),
    STATUSES.map((one) => h("option", { value: one }, t(`status.${one}`))));
  const queue = h("select", { "aria-label": t("cases.queue") }, h("option", { value: "" }, t("cases.queues")));
  const list = h("ul", { class: "list", "aria-label": t("nav.cases") });
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => load(true) }, t("do.more"));
  const side = h("div", { class: "detail" });
  const panel = new CasePanel(side, app);
  const search = settled(() => load(), 250);
  find.addEventListener("input", search);
  status.addEventListener("change", () => load());
  queue.addEventListener("change", () => load());
  fill(box, h("div", { class: "master" }, h("h1", null, t("nav.cases")),
    h("form", { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); load(); } }, find, status, queue),
    list, more), side);

  function query(cursor) {
    const asked = new URLSearchParams({ limit: "50" });
    for (const [name, value] of [["q", find.value.trim()], ["status", status.value], ["queue", queue.value], ["cursor", cursor]]) {
      if (value) asked.set(name, value);
    }
    return asked;
  }

  async function load(further = false) {
    try {
      const page = await get(`/cases?${query(further ? next : null)}`);
      items = further ? [...items, ...page.items] : page.items;
      next = page.next;
      draw();
    } catch (problem) {
      failed(problem);
    }
  }

  function draw() {
    more.hidden = next === null;
    fill(list, items.length ? items.map((one) => h("li", null, h("a", {
      href: `#/cases/${one.number}`, "aria-current": one.number === number ? "true" : null, data: { number: one.number },
    }, h("span", { class: "first" }, h("b", null, one.number), " ", statusChip(one.status), slaChips(one.sla, true)),
      h("span", { class: "subject" }, one.subject ?? t("case.nosubject")),
      h("span", { class: "small" }, [one.customer.name ?? one.customer.address ?? "", one.queue, one.agent ? app.name(one.agent) : null].filter(Boolean).join(" · "), " · ", at(one.opened_at)))))
      : h("li", { class: "empty" }, t("cases.none")));
  }

  function step(by) {
    const here = items.findIndex((one) => one.number === number);
    const to = items[Math.min(items.length - 1, Math.max(0, here + by))];
    if (to) app.go(`cases/${to.number}`);
  }

  function follow(where) {
    number = where.rest[0] ?? null;
    if (where.query.has("find")) find.focus();
    box.classList.toggle("chosen", number !== null);
    panel.show(number);
    draw();
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    return true;
  }

  panel.onkeys = (bindings) => keys.now([
    { keys: "j", text: "keys.next", run: () => step(1) },
    { keys: "k", text: "keys.previous", run: () => step(-1) },
    ...bindings,
  ]);
  panel.back = () => app.go("cases");
  get("/queues").then(({ items: known }) => {
    const wanted = place.query.get("queue") ?? "";
    queue.append(...known.map((one) => h("option", { value: one.queue, selected: one.queue === wanted }, one.queue)));
    return load();
  }).catch(failed);
  follow(place);
  const again = settled(() => load(), 400);
  return {
    follow,
    changed: (changes, reset) => {
      if (next === null || items.length <= 50) again();
      panel.changed(changes, reset);
    },
    close: () => { again.stop(); search.stop(); panel.close(); },
  };
}
