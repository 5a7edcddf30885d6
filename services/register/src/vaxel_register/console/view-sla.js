// Clocks that have warned or are late, what is due first comes first.

import { get } from "./api.js";
import { until } from "./clock.js";
import { fill, h, settled } from "./dom.js";
import { failed } from "./problems.js";
import { code, t } from "./words.js";

export function open(box, place, app) {
  let risk = place.query.get("risk") ?? "any";
  const list = h("div");
  const choose = h("select", { id: "risk", onchange: (event) => { risk = event.target.value; load(); } },
    ["any", "breached", "warned", "all"].map((one) =>
      h("option", { value: one, selected: one === risk }, t(`sla.show.${one}`))));
  fill(box, h("h1", null, t("nav.sla")), h("p", { class: "filters" },
    h("label", { for: "risk" }, t("sla.show")), " ", choose), list);

  async function load() {
    try {
      fill(list, table((await get(`/sla?risk=${risk}`)).items, app));
    } catch (problem) {
      failed(problem);
    }
  }

  const again = settled(load, 200);
  load();
  return { changed: again, close: again.stop };
}

export function table(items, app) {
  if (!items.length) return h("p", { class: "empty" }, t("sla.none"));
  return h("table", null,
    h("thead", null, h("tr", null, ["case", "clock", "risk", "due", "queue", "agent"].map((one) =>
      h("th", { scope: "col" }, t(`sla.${one}`))))),
    h("tbody", null, items.map((one) => h("tr", null,
      h("th", { scope: "row" }, h("a", { href: `#/cases/${one.number}` }, one.number), " ",
        h("span", { class: "subject" }, one.subject ?? "")),
      h("td", { data: { label: t("sla.clock") } }, code("clock", one.clock)),
      h("td", { data: { label: t("sla.risk") } }, h("span", { class: `chip risk-${one.risk}` }, code("risk", one.risk))),
      h("td", { data: { label: t("sla.due") } }, until(one.due_at)),
      h("td", { data: { label: t("sla.queue") } }, one.queue ?? "–"),
      h("td", { data: { label: t("sla.agent") } }, app.name(one.agent))))));
}
