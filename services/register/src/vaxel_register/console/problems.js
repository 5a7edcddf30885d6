// What went wrong, in words; the rest of the page goes on.

import { say } from "./dom.js";
import { has, t } from "./words.js";

export function words(problem) {
  if (problem.status === 0) return t("say.unreachable");
  if (problem.status === 401) return t("login.needed");
  for (const key of [`problem.${problem.code}`, `refusal.${problem.code}`]) {
    if (has(key)) return t(key);
  }
  return problem.message || t("say.unreachable");
}

export function failed(problem) {
  if (!("code" in problem)) throw problem;
  say(words(problem), "alert");
}
