// Calls to the server this page came from, with the key that was typed, and what is known of what that key may not do.

import { keep, recall } from "./memory.js";
import { chosen, locale } from "./texts.js";

const KEY = "wildwarden.key";
/** By path. What a key may not do is not asked again: wrong keys close the server's door to an address for a while. */
const forbidden = new Map();

export class Refusal extends Error {
  constructor(status, problem = {}) {
    super(problem.detail ?? "");
    this.status = status;
    this.reason = String(problem.reason ?? "");
    this.field = problem.field ?? "";
    this.retryAfterMs = Number(problem.retryAfterMs ?? 0);
  }

  get isOfKey() {
    return this.status === 401 || this.status === 403;
  }
}

export const key = () => recall("sessionStorage", KEY);
export const refusalOf = (path) => forbidden.get(path) ?? null;

/** Empty: none. Headers carry nothing but printable ASCII, so a key that does not fit is refused here. */
export function useKey(typed) {
  if (typed && !/^[\x21-\x7e]+$/.test(typed)) return false;
  keep("sessionStorage", KEY, typed);
  forbidden.clear();
  return true;
}

/** The answer: parsed when it is JSON, else its text. Throws a [Refusal]. With a body it is a POST. */
export async function call(path, body) {
  if (forbidden.has(path)) throw forbidden.get(path);
  const headers = { "Accept-Language": locale(chosen()) };
  if (key()) headers.Authorization = `Bearer ${key()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const asked = { method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body), cache: "no-store" };
  const answer = await fetch(path, asked).catch(() => {
    throw new Refusal(0, { reason: "UNREACHABLE" });
  });
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const said = await (isJson ? answer.json() : answer.text()).catch(() => {
    throw new Refusal(0, { reason: "UNREACHABLE" });
  });
  if (answer.ok) return said;
  const refusal = new Refusal(answer.status, isJson ? said : {});
  if (refusal.isOfKey) forbidden.set(path, refusal);
  throw refusal;
}
