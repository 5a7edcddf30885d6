// Trying the system: send an example contact in, and look at what the system sent.

import { get, post } from "./api.js";
import { at } from "./clock.js";
import { fill, h, say, settled } from "./dom.js";
import { failed } from "./problems.js";
import { t } from "./words.js";

export function open(box, _place, app) {
  const contacts = h("ul", { class: "contacts" });
  const mails = h("div", { class: "mails" });
  const page = h("p");
  const unfolded = new Set();
  fill(box, h("h1", null, t("nav.try")),
    h("section", null, h("h2", null, t("try.contacts")), h("p", { class: "small" }, t("try.explain")), contacts),
    h("section", null, h("h2", null, t("try.mails")), page, mails));

  async function send(button, name) {
    button.disabled = true;
    try {
      await post(`/demo/contacts/${name}`);
      say(t("try.sent", { name }));
    } catch (problem) {
      failed(problem);
    } finally {
      button.disabled = false;
    }
  }

  async function load() {
    try {
      draw(await get("/demo"));
    } catch (problem) {
      failed(problem);
    }
  }

  function draw(demo) {
    if (!contacts.childElementCount) {
      fill(contacts, demo.contacts.map((one) => h("li", null,
        h("span", { class: "what" }, h("b", null, one.name), " ", one.subject, h("br"), h("small", null, `${one.sender} → ${one.to}`)),
        app.may("demo.send") ? h("button", { type: "button", onclick: (event) => send(event.currentTarget, one.name) },
          t("do.send"), h("span", { class: "hidden" }, ` ${one.name}`)) : null)));
    }
    fill(page, t("try.mailbox"), " ", h("a", { href: demo.mailbox_url, target: "_blank", rel: "noopener noreferrer" }, demo.mailbox_url));
    fill(mails, demo.mails.length ? demo.mails.map((one) => h("details", {
      open: unfolded.has(one.id),
      ontoggle: (event) => { if (event.target.open) unfolded.add(one.id); else unfolded.delete(one.id); },
    }, h("summary", null, at(one.received_at), " ", h("b", null, one.to.join(", ")), " ", one.subject),
    h("pre", null, one.text))) : h("p", { class: "empty" }, t("try.nomails")));
  }

  const again = settled(load, 400);
  load();
  return { changed: again, close: again.stop };
}
