/* Vaxel live chat: one script, no dependencies.
 *
 *   <script src="https://chat.example/widget.js" data-account="web" async></script>
 *
 * data-account   the account of channels.yaml; data-language   en fi sv de et fr (else the page's own)
 * data-remember  "session" forgets when the tab is closed (else this browser remembers for 30 days)
 * data-open      begin with the chat open
 *
 * Nothing is stored before the visitor has written something. A message keeps the id that it was
 * given here until the server has acknowledged it, through any number of tries and reloads; the
 * cursor in the last frame says what was seen. So nothing is lost, and nothing is shown twice.
 */
(() => {
  "use strict";

  const TEXTS = {
    en: { name: "English", title: "Chat with us", open: "Open chat", close: "Close chat", hello: "Hello! Write to us, and a person will answer here.", label: "Your message", send: "Send", hint: "Enter sends, Shift+Enter makes a new line.", you: "You", us: "Support", automatic: "Automatic message", sending: "Sending…", sent: "Sent", later: "Not sent yet. It will be sent as soon as possible.", failed: "Could not be sent", offline: "Not connected. What you write is kept and sent later.", connecting: "Connecting…", online: "Connected", language: "Language", about: "How can we reach you? (optional)", yourName: "Name", email: "E-mail", log: "Conversation", unread: "unread messages", long: "The message is too long." },
    fi: { name: "Suomi", title: "Keskustele kanssamme", open: "Avaa keskustelu", close: "Sulje keskustelu", hello: "Hei! Kirjoita meille, niin ihminen vastaa tässä.", label: "Viestisi", send: "Lähetä", hint: "Enter lähettää, Vaihto+Enter vaihtaa riviä.", you: "Sinä", us: "Asiakaspalvelu", automatic: "Automaattinen viesti", sending: "Lähetetään…", sent: "Lähetetty", later: "Ei vielä lähetetty. Lähetetään heti kun mahdollista.", failed: "Lähetys ei onnistunut", offline: "Ei yhteyttä. Kirjoittamasi säilyy ja lähetetään myöhemmin.", connecting: "Yhdistetään…", online: "Yhteys on auki", language: "Kieli", about: "Miten tavoitamme sinut? (vapaaehtoinen)", yourName: "Nimi", email: "Sähköposti", log: "Keskustelu", unread: "lukematonta viestiä", long: "Viesti on liian pitkä." },
    sv: { name: "Svenska", title: "Chatta med oss", open: "Öppna chatten", close: "Stäng chatten", hello: "Hej! Skriv till oss, så svarar en människa här.", label: "Ditt meddelande", send: "Skicka", hint: "Enter skickar, Skift+Enter ger ny rad.", you: "Du", us: "Kundtjänst", automatic: "Automatiskt meddelande", sending: "Skickar…", sent: "Skickat", later: "Inte skickat än. Det skickas så snart det går.", failed: "Kunde inte skickas", offline: "Ingen anslutning. Det du skriver sparas och skickas senare.", connecting: "Ansluter…", online: "Ansluten", language: "Språk", about: "Hur når vi dig? (frivilligt)", yourName: "Namn", email: "E-post", log: "Samtal", unread: "olästa meddelanden", long: "Meddelandet är för långt." },
    de: { name: "Deutsch", title: "Chatten Sie mit uns", open: "Chat öffnen", close: "Chat schließen", hello: "Hallo! Schreiben Sie uns, hier antwortet ein Mensch.", label: "Ihre Nachricht", send: "Senden", hint: "Eingabe sendet, Umschalt+Eingabe macht eine neue Zeile.", you: "Sie", us: "Kundendienst", automatic: "Automatische Nachricht", sending: "Wird gesendet…", sent: "Gesendet", later: "Noch nicht gesendet. Wird so bald wie möglich gesendet.", failed: "Konnte nicht gesendet werden", offline: "Keine Verbindung. Was Sie schreiben, bleibt erhalten und wird später gesendet.", connecting: "Verbindung wird aufgebaut…", online: "Verbunden", language: "Sprache", about: "Wie erreichen wir Sie? (freiwillig)", yourName: "Name", email: "E-Mail", log: "Gespräch", unread: "ungelesene Nachrichten", long: "Die Nachricht ist zu lang." },
    et: { name: "Eesti", title: "Vestle meiega", open: "Ava vestlus", close: "Sulge vestlus", hello: "Tere! Kirjutage meile, siin vastab inimene.", label: "Teie sõnum", send: "Saada", hint: "Enter saadab, Shift+Enter teeb uue rea.", you: "Teie", us: "Klienditugi", automatic: "Automaatne sõnum", sending: "Saadan…", sent: "Saadetud", later: "Veel saatmata. Saadetakse esimesel võimalusel.", failed: "Saatmine ei õnnestunud", offline: "Ühendust pole. Kirjutatu jääb alles ja saadetakse hiljem.", connecting: "Ühendan…", online: "Ühendatud", language: "Keel", about: "Kuidas teiega ühendust võtta? (vabatahtlik)", yourName: "Nimi", email: "E-post", log: "Vestlus", unread: "lugemata sõnumit", long: "Sõnum on liiga pikk." },
    fr: { name: "Français", title: "Discutez avec nous", open: "Ouvrir la discussion", close: "Fermer la discussion", hello: "Bonjour ! Écrivez-nous, une personne vous répondra ici.", label: "Votre message", send: "Envoyer", hint: "Entrée envoie, Maj+Entrée va à la ligne.", you: "Vous", us: "Assistance", automatic: "Message automatique", sending: "Envoi…", sent: "Envoyé", later: "Pas encore envoyé. Il partira dès que possible.", failed: "N’a pas pu être envoyé", offline: "Pas de connexion. Vos messages sont gardés et partiront plus tard.", connecting: "Connexion…", online: "Connecté", language: "Langue", about: "Comment vous joindre ? (facultatif)", yourName: "Nom", email: "E-mail", log: "Conversation", unread: "messages non lus", long: "Le message est trop long." },
  };

  const STYLE = `
    :host { all: initial; position: fixed; inset: auto 1rem 1rem auto; z-index: 2147483000;
      --ink: #1b1b1f; --soft: #54545c; --paper: #fff; --tint: #f0f1f4; --line: #85858f; --brand: #0b4fc4; --on: #fff; --bad: #a3151f;
      font: 16px/1.45 system-ui, sans-serif; color: var(--ink); }
    @media (prefers-color-scheme: dark) { :host { --ink: #f2f2f5; --soft: #c3c3cc; --paper: #1c1c21; --tint: #2c2c33; --line: #85858f; --brand: #a9c7ff; --on: #0a2250; --bad: #ffb3b3; } }
    * { box-sizing: border-box; font: inherit; color: inherit; }
    [hidden] { display: none !important; }
    button, select, input, textarea, summary { border-radius: .5rem; }
    :focus-visible { outline: 3px solid var(--brand); outline-offset: 2px; }
    button { cursor: pointer; border: 1px solid transparent; background: var(--brand); color: var(--on); padding: .55rem .9rem; }
    .launch { display: block; margin-left: auto; border-radius: 2rem; padding: .8rem 1.2rem; box-shadow: 0 2px 10px #0005; }
    .count { margin-left: .5rem; padding: 0 .45rem; border-radius: 1rem; background: var(--on); color: var(--brand); }
    .panel { display: flex; flex-direction: column; width: min(24rem, calc(100vw - 2rem)); height: min(36rem, calc(100vh - 6rem));
      margin-bottom: .8rem; background: var(--paper); border: 1px solid var(--line); border-radius: .8rem; overflow: hidden; box-shadow: 0 6px 30px #0006; }
    header { display: flex; gap: .5rem; align-items: center; padding: .6rem .8rem; border-bottom: 1px solid var(--line); }
    h2 { margin: 0; flex: 1; font-weight: 650; font-size: 1.05rem; }
    select, input, textarea { background: var(--paper); border: 1px solid var(--line); padding: .35rem .5rem; max-width: 100%; }
    header button { background: transparent; color: var(--ink); border-color: var(--line); padding: .25rem .6rem; }
    .log { flex: 1; overflow-y: auto; padding: .8rem; overscroll-behavior: contain; }
    ol { list-style: none; margin: 0; padding: 0; }
    li, .hello { margin: 0 0 .7rem; max-width: 88%; padding: .5rem .7rem; border-radius: .7rem; background: var(--tint); border: 1px solid transparent; }
    li p, .hello { margin-top: 0; } li p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
    li.mine { margin-left: auto; background: var(--brand); color: var(--on); }
    li.mine small { color: inherit; } li.bad { background: var(--paper); color: var(--bad); border-color: var(--bad); }
    small { display: block; font-size: .8rem; color: var(--soft); }
    .state { padding: .2rem .8rem; font-size: .85rem; color: var(--soft); min-height: 1.6rem; }
    form { padding: .5rem .8rem .8rem; border-top: 1px solid var(--line); }
    .row { display: flex; gap: .5rem; align-items: end; }
    textarea { flex: 1; width: 100%; resize: none; min-height: 2.6rem; height: 4.2rem; }
    .hint { margin: .2rem 0 .4rem; } details { margin-bottom: .5rem; font-size: .9rem; } details label { display: block; margin-top: .3rem; }
    details input { width: 100%; }
    .quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media (forced-colors: active) { li, button, .panel { border-color: currentColor; } }`;

  const script = document.currentScript;
  const base = new URL(script.src).origin;
  const account = script.dataset.account || "";
  let store = null; // a page may forbid it: then this tab alone remembers
  try { store = script.dataset.remember === "session" ? sessionStorage : localStorage; } catch { /* forbidden */ }
  const KEY = `vaxel:${base}:${account}`;
  const OUT = `${KEY}:out:`;
  const KEPT_MESSAGES_MAX = 200; // shown again at once after a reload; older ones are on the server
  const RETRY_MS_MAX = 30_000;
  const PING_MS = 25_000;
  const DEAD_MS = 60_000; // without a frame for so long, the line is dead
  const ANSWER_MS = 12_000; // longer than the server tries
  const PACE_MS = 600; // between messages after BURST of them: below the server's limit
  const BURST = 10;
  const TYPING_MS = 3_000;

  // ---------------------------------------------------------------- what this browser remembers

  const read = (key) => {
    try { return JSON.parse(store.getItem(key)); } catch { return null; }
  };
  const write = (key, value) => {
    try { value === null ? store.removeItem(key) : store.setItem(key, JSON.stringify(value)); } catch { /* full or forbidden: this page still has it */ }
  };
  const kept = Object.assign({ token: null, cursor: null, conversation: null, messages: [], language: null, name: "", email: "" }, read(KEY));
  let written = kept.token !== null; // storing begins with the first message
  const keep = () => { if (written) write(KEY, { ...kept, messages: kept.messages.slice(-KEPT_MESSAGES_MAX) }); };
  const keptOutbox = () => {
    const found = [];
    try {
      for (let i = 0; i < store.length; i++) {
        const key = store.key(i);
        if (key.startsWith(OUT)) found.push(read(key));
      }
    } catch { /* storage is forbidden here */ }
    return found.filter(Boolean).sort((a, b) => a.made - b.made);
  };
  const outbox = keptOutbox(); // {id, text, language, made, failed?}; the first one is under way

  // ---------------------------------------------------------------- what is seen

  const pick = () => {
    const wanted = [kept.language, script.dataset.language, document.documentElement.lang, ...(navigator.languages || [])];
    for (const tag of wanted) {
      const primary = (tag || "").toLowerCase().split("-")[0];
      if (Object.hasOwn(TEXTS, primary)) return primary;
    }
    return "en";
  };
  let language = pick();
  const t = (key) => TEXTS[language][key];

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const host = make("div", { "data-vaxel-chat": account });
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet(); // not an inline style: strict content policies allow it
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];

  const el = {
    title: make("h2", { id: "title" }),
    languages: make("select", {}, ...Object.entries(TEXTS).map(([tag, texts]) => make("option", { value: tag, lang: tag }, texts.name))),
    close: make("button", { type: "button" }, "×"),
    hello: make("p", { class: "hello" }),
    told: make("ol"),
    pending: make("ol"),
    state: make("div", { class: "state", role: "status" }),
    news: make("div", { class: "quiet", "aria-live": "polite" }),
    aboutTitle: make("summary"),
    nameLabel: make("span"), name: make("input", { autocomplete: "name", maxlength: "256" }),
    emailLabel: make("span"), email: make("input", { type: "email", autocomplete: "email", maxlength: "254" }),
    label: make("label", { for: "text" }),
    text: make("textarea", { id: "text", rows: "2", maxlength: "8000", "aria-describedby": "hint" }),
    hint: make("small", { id: "hint", class: "hint" }),
    send: make("button", { type: "submit" }),
    count: make("span", { class: "count", hidden: "" }),
    launchText: make("span"),
  };
  el.log = make("div", { class: "log", role: "log", "aria-live": "off", tabindex: "0" }, el.hello, el.told, el.pending);
  el.form = make("form", {},
    make("details", {}, el.aboutTitle, make("label", {}, el.nameLabel, el.name), make("label", {}, el.emailLabel, el.email)),
    el.label, make("div", { class: "row" }, el.text, el.send), el.hint);
  el.panel = make("section", { class: "panel", role: "dialog", id: "panel", "aria-labelledby": "title", hidden: "" },
    make("header", {}, el.title, el.languages, el.close), el.log, el.state, el.form);
  el.launch = make("button", { class: "launch", type: "button", "aria-controls": "panel", "aria-expanded": "false" }, el.launchText, el.count);
  root.append(el.panel, el.news, el.launch); // news are announced while the panel is closed, too

  let condition = "connecting";
  let unread = 0;
  const speak = () => {
    el.panel.lang = el.news.lang = el.launch.lang = language;
    el.title.textContent = t("title");
    el.languages.value = language;
    el.languages.setAttribute("aria-label", t("language"));
    el.close.setAttribute("aria-label", t("close"));
    el.hello.textContent = t("hello");
    el.log.setAttribute("aria-label", t("log"));
    el.aboutTitle.textContent = t("about");
    el.nameLabel.textContent = t("yourName");
    el.emailLabel.textContent = t("email");
    el.label.textContent = t("label");
    el.hint.textContent = t("hint");
    el.send.textContent = t("send");
    for (const item of root.querySelectorAll("[data-text]")) item.textContent = t(item.dataset.text);
    launcher();
    say(condition);
  };
  const say = (key) => {
    condition = key;
    if (el.state.textContent !== t(key)) el.state.textContent = t(key);
    el.state.dataset.condition = key;
  };
  const launcher = () => {
    const open = !el.panel.hidden;
    el.launchText.textContent = open ? t("close") : t("open");
    el.launch.setAttribute("aria-expanded", String(open));
    el.count.hidden = unread === 0;
    el.count.textContent = String(unread);
    el.count.setAttribute("aria-label", `${unread} ${t("unread")}`);
  };
  const bottom = () => { el.log.scrollTop = el.log.scrollHeight; };

  const item = (mine, text, meta) => {
    const line = make("li", { class: mine ? "mine" : "theirs" }, make("p"), make("small"));
    line.firstChild.textContent = text;
    mark(line, meta);
    return line;
  };
  const mark = (line, key, extra = "") => {
    const small = line.lastChild;
    small.replaceChildren();
    if (Object.hasOwn(TEXTS.en, key)) small.append(make("span", { "data-text": key }, t(key)), extra);
    else small.append(key, extra);
  };
  const clock = (at) => {
    const time = new Date(at);
    return Number.isNaN(time.getTime()) ? "" : ` · ${time.toLocaleTimeString([...(navigator.languages || []).filter((tag) => tag.startsWith(language)), language], { hour: "2-digit", minute: "2-digit" })}`;
  };

  const shown = new Set();
  const lines = new Map(); // of what isn't told yet, by the id given here

  // The server tells messages in the log's order; each is put after all that were told before.
  const tell = (message, fresh) => {
    if (shown.has(message.id)) return;
    shown.add(message.id);
    const mine = message.from === "visitor";
    const line = (mine && lines.get(message.client_id)) || item(mine, message.text, "");
    line.classList.remove("bad");
    line.dataset.id = message.id;
    mark(line, mine ? "you" : message.automatic ? "automatic" : message.name || "us", clock(message.at));
    const atBottom = el.log.scrollHeight - el.log.scrollTop - el.log.clientHeight < 80;
    el.told.append(line);
    if (mine) settle(message.client_id);
    if (atBottom || mine) bottom();
    if (!fresh) return;
    kept.messages.push(message);
    if (mine) return;
    el.news.textContent = `${message.name || t("us")}: ${message.text}`;
    if (el.panel.hidden) { unread++; launcher(); } else say_("read");
  };
  const forget = () => {
    shown.clear();
    kept.messages = [];
    el.told.replaceChildren();
  };
  const settle = (id) => { // it is on the log: nothing is left to do for it
    lines.delete(id);
    const at = outbox.findIndex((one) => one.id === id);
    if (at >= 0) outbox.splice(at, 1);
    write(OUT + id, null);
  };
  const queue = (one) => {
    const line = item(true, one.text, one.failed ? "failed" : "sending");
    lines.set(one.id, line);
    el.pending.append(line);
  };

  // ---------------------------------------------------------------- the line to the server

  let socket = null, stream = null, ready = false, tries = 0, socketFailures = 0;
  let retryTimer = 0, answerTimer = 0, heardAt = 0, underWay = null, sentInARow = 0, typedAt = 0;

  const connect = () => {
    clearTimeout(retryTimer);
    if (socket || stream) return;
    say("connecting");
    if (socketFailures >= 2) listen(); else dial();
  };
  const lost = () => {
    ready = false;
    clearTimeout(answerTimer);
    underWay = null;
    socket = stream = null;
    say("offline");
    for (const one of outbox) if (!one.failed) mark(lines.get(one.id), "later");
    const most = Math.min(RETRY_MS_MAX, 500 * 2 ** tries++);
    clearTimeout(retryTimer);
    retryTimer = setTimeout(connect, most / 2 + Math.random() * most / 2);
  };
  const dial = () => {
    const line = new WebSocket(`${base.replace(/^http/, "ws")}/chat/${account}/ws`);
    socket = line;
    let opened = false;
    line.onopen = () => {
      opened = true;
      heardAt = Date.now();
      line.send(JSON.stringify({ type: "hello", token: kept.token, cursor: kept.cursor }));
    };
    line.onmessage = (event) => { if (socket === line) hear(JSON.parse(event.data)); };
    line.onclose = () => {
      if (!opened) socketFailures++;
      if (socket === line) lost();
    };
  };
  const post = async (path, body, signal) => fetch(`${base}/chat/${account}/${path}`, {
    method: "POST", signal, credentials: "omit", body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...(kept.token ? { Authorization: `Bearer ${kept.token}` } : {}) },
  });
  const listen = async () => {
    const controller = new AbortController();
    stream = controller;
    try {
      const begun = await post("session", { token: kept.token }, controller.signal);
      if (!begun.ok) throw new Error(String(begun.status));
      const { token, conversation } = await begun.json();
      if (conversation !== kept.conversation) { forget(); kept.cursor = null; }
      Object.assign(kept, { token, conversation });
      const query = kept.cursor ? `?cursor=${encodeURIComponent(kept.cursor)}` : "";
      const events = await fetch(`${base}/chat/${account}/events${query}`, {
        signal: controller.signal, credentials: "omit", headers: { Authorization: `Bearer ${token}` },
      });
      if (!events.ok) throw new Error(String(events.status));
      const reader = events.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { done, value } = await reader.read();
        if (done) break;
        heardAt = Date.now();
        text += value;
        const parts = text.split("\n\n");
        text = parts.pop();
        for (const part of parts) {
          const data = part.split("\n").find((line) => line.startsWith("data: "));
          if (data && stream === controller) hear(JSON.parse(data.slice(6)));
        }
      }
    } catch { /* whatever it was: try again later */ }
    if (stream === controller) { socketFailures = 0; lost(); }
  };
  const hangUp = () => {
    const line = socket, controller = stream;
    if (line) { lost(); line.onclose = null; line.close(); }
    if (controller) { lost(); controller.abort(); }
  };
  const say_ = (type) => {
    if (ready && socket) socket.send(JSON.stringify({ type }));
  };

  const hear = (frame) => {
    heardAt = Date.now();
    if (frame.type === "welcome" || frame.type === "history") {
      if (frame.type === "welcome") {
        if (kept.conversation !== null && kept.conversation !== frame.conversation) forget();
        if (frame.resync) forget();
        kept.conversation = frame.conversation;
        if (frame.token) kept.token = frame.token;
        el.text.maxLength = frame.limits.text_chars_max;
      }
      for (const message of frame.messages) tell(message, true);
      if (!frame.more) { ready = true; tries = 0; socketFailures = 0; say("online"); flush(); }
    } else if (frame.type === "message") tell(frame, true);
    else if (frame.type === "ack") acknowledged(frame.id);
    else if (frame.type === "not_sent") again(frame.id, frame.retry_after_ms);
    else if (frame.type === "error") refused(frame);
    if (frame.cursor) kept.cursor = frame.cursor;
    keep();
  };
  const acknowledged = (id) => {
    clearTimeout(answerTimer);
    if (lines.has(id)) mark(lines.get(id), "sent");
    const at = outbox.findIndex((one) => one.id === id);
    if (at >= 0) outbox[at].done = true; // shown as ours until the log tells it
    write(OUT + id, null);
    next();
  };
  const again = (id, after) => {
    clearTimeout(answerTimer);
    if (lines.has(id)) mark(lines.get(id), "later");
    setTimeout(next, after);
  };
  const refused = (frame) => {
    const one = outbox.find((candidate) => candidate.id === frame.id);
    if (!one) return; // the line will be closed, and we come back
    clearTimeout(answerTimer);
    one.failed = true;
    lines.get(one.id).classList.add("bad");
    mark(lines.get(one.id), frame.code === "text_too_long" ? "long" : "failed");
    write(OUT + one.id, null);
    next();
  };
  const next = () => { underWay = null; flush(); };

  // One at a time, in order: what was written first is on the log first.
  const flush = () => {
    if (!ready || underWay) return;
    const one = outbox.find((candidate) => !candidate.failed && !candidate.done);
    if (!one) { sentInARow = 0; return; }
    underWay = one.id;
    sentInARow++;
    setTimeout(() => transmit(one), sentInARow > BURST ? PACE_MS : 0);
  };
  const transmit = async (one) => {
    if (!ready || underWay !== one.id) return;
    mark(lines.get(one.id), "sending");
    const message = { id: one.id, text: one.text, locale: navigator.language, name: kept.name || undefined, email: kept.email || undefined, language: one.language || undefined };
    answerTimer = setTimeout(hangUp, ANSWER_MS);
    if (socket) { socket.send(JSON.stringify({ type: "message", ...message })); return; }
    try {
      const answer = await post("messages", message, stream.signal);
      const body = await answer.json();
      if (answer.ok) acknowledged(one.id);
      else if (answer.status === 401) hangUp();
      else if (answer.status === 429 || answer.status >= 500) again(one.id, 1000 * (answer.headers.get("Retry-After") || 2));
      else refused({ id: one.id, code: body.title });
    } catch { again(one.id, 2_000); }
  };

  setInterval(() => {
    if (socket && Date.now() - heardAt > DEAD_MS && socket.readyState === 1) hangUp();
    else say_("ping");
  }, PING_MS);
  const wake = () => { if (!document.hidden && wanted()) { if (socket || stream) say_("ping"); else connect(); } };
  const wanted = () => !el.panel.hidden || written;
  addEventListener("online", wake);
  document.addEventListener("visibilitychange", wake);

  // ---------------------------------------------------------------- what the visitor does

  const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const write_ = () => {
    const text = el.text.value.trim();
    if (!text) { el.text.focus(); return; }
    written = true;
    kept.name = el.name.value.trim();
    kept.email = el.email.validity.valid ? el.email.value.trim() : "";
    const one = { id: newId(), text, language: kept.language, made: Date.now() };
    outbox.push(one);
    write(OUT + one.id, one);
    keep();
    queue(one);
    if (!ready) mark(lines.get(one.id), "later");
    el.text.value = "";
    bottom();
    connect();
    flush();
  };
  const show = (focus = true) => {
    el.panel.hidden = false;
    unread = 0;
    launcher();
    connect();
    bottom();
    say_("read");
    if (focus) el.text.focus();
  };
  const hide = () => {
    el.panel.hidden = true;
    launcher();
    el.launch.focus();
  };
  el.launch.onclick = () => (el.panel.hidden ? show() : hide());
  el.close.onclick = hide;
  el.panel.onkeydown = (event) => { if (event.key === "Escape") { event.stopPropagation(); hide(); } };
  el.form.onsubmit = (event) => { event.preventDefault(); write_(); };
  el.text.onkeydown = (event) => {
    event.stopPropagation(); // the page's own shortcuts must not take what is typed here
    if (event.key === "Escape") hide();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); write_(); }
  };
  el.text.oninput = () => {
    if (Date.now() - typedAt > TYPING_MS) { typedAt = Date.now(); say_("typing"); }
  };
  el.languages.onchange = () => {
    language = kept.language = el.languages.value;
    keep();
    speak();
  };

  const begin = () => {
    document.body.append(host);
    el.name.value = kept.name;
    el.email.value = kept.email;
    speak();
    const before = kept.messages;
    for (const message of before) tell(message, false);
    for (const one of outbox) queue(one);
    if ("open" in script.dataset) show(false);
    else if (written) connect();
  };
  if (document.body) begin(); else addEventListener("DOMContentLoaded", begin);
})();
