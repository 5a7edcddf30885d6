// The stream of changes. The browser comes back by itself and says what it has seen last; what was
// missed is told then, or `reset` says that everything must be read again.

import { WHO } from "./api.js";

const GATHER_MS = 120;

/** `changed(changes)` gets what happened, `all` on reset; `live(bool)` whether we are connected. */
export function listen(changed, live) {
  let waiting = [];
  let timer = null;
  let last = "";
  let source = null;
  let retry = null;

  function gather(change) {
    waiting.push(change);
    timer ??= setTimeout(() => {
      const changes = waiting;
      waiting = [];
      timer = null;
      changed(changes);
    }, GATHER_MS);
  }

  function open() {
    const place = last ? `&last_event_id=${encodeURIComponent(last)}` : "";
    source = new EventSource(`/api/v1/events?as=${encodeURIComponent(WHO)}${place}`);
    const seen = (event) => { last = event.lastEventId || last; };
    source.addEventListener("open", () => live(true));
    // What was read before the stream began may be older than the stream: read it again, too.
    for (const name of ["hello", "reset"]) {
      source.addEventListener(name, (event) => { seen(event); gather({ type: "reset" }); });
    }
    source.addEventListener("change", (event) => { seen(event); gather(JSON.parse(event.data)); });
    source.addEventListener("error", () => {
      live(false);
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused rather than cut off: the browser gives up then, we don't.
      clearTimeout(retry);
      retry = setTimeout(open, 3000);
    });
  }

  open();
}
