// The API as the console uses it: every request names whose session it means, which no page of
// another site can do.

export const WHO = new URLSearchParams(location.search).get("as") ?? "";
const BASE = "/api/v1";

/** What the server said no to: `code` is stable, `detail` says what to do. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? "");
    this.status = status;
    this.code = body.title ?? "unreachable";
    this.body = body;
  }
}

async function ask(method, path, body, headers = {}, options = {}) {
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method,
      credentials: "same-origin",
      headers: {
        "X-Vaxel-As": WHO,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
  } catch {
    throw new Problem(0, { title: "unreachable" });
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, said);
  return { status: answer.status, said, location: answer.headers.get("Location") };
}

export async function get(path) {
  return (await ask("GET", path)).said;
}

export async function put(path, body, options) {
  return (await ask("PUT", path, body, {}, options)).said;
}

export async function end(path) {
  return (await ask("DELETE", path)).said;
}

/** A plain write. */
export async function post(path, body) {
  return (await ask("POST", path, body)).said;
}

/**
 * A write that the router decides on: waits until it has. A repeat with the same key and body is
 * the same command, so a lost answer is asked for again, not the deed.
 */
export async function command(path, body = {}, key = fresh()) {
  let answer;
  for (let attempt = 0; ; attempt += 1) {
    try {
      answer = await ask("POST", path, body, { "Idempotency-Key": key });
      break;
    } catch (problem) {
      const passing = problem.status === 0 || problem.status === 503;
      if (!passing || attempt === 3) throw problem;
      await pause(500 * 2 ** attempt);
    }
  }
  for (let waited = 0; answer.status === 202 && waited < 30; waited += 1) {
    await pause(1000);
    answer.said = await get(`/commands/${answer.said.command_id}`);
    answer.status = answer.said.status === "pending" ? 202 : 200;
  }
  if (answer.status === 202) throw new Problem(202, { title: "undecided" });
  if (answer.said.status === "refused") throw new Problem(409, { title: answer.said.code });
  return answer.said;
}

function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
