// The console: which page is open, in which language, with which key, and whether the server is ready.

import { call, key, useKey } from "./api.js";
import { announce, find, icon } from "./dom.js";
import { learnPage } from "./learn.js";
import { livePage } from "./live.js";
import { keep, recall } from "./memory.js";
import { modelsPage } from "./models.js";
import { ask, info, infoRefusal } from "./server.js";
import { refusalSentence } from "./sentences.js";
import { choose, chosen, locale, say } from "./texts.js";
import { tryPage } from "./try.js";

const PAGES = { try: tryPage, models: modelsPage, live: livePage, learn: learnPage };
const LANGUAGE = "wildwarden.language";
let current = null;
let isReady = null;

const preferred = () => recall("localStorage", LANGUAGE) || (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

/** Words of the frame; the pages say theirs. */
function translate() {
  const root = document.documentElement;
  root.lang = locale();
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
  const other = chosen() === "en" ? "zh" : "en";
  find("language").textContent = say("app.other_language");
  find("language").lang = locale(other);
  // What was said last was said in the other language.
  announce("");
  renderFrame();
  if (current) PAGES[current].render();
}

function renderFrame() {
  const state = isReady === null ? "unknown" : isReady ? "yes" : "no";
  const shape = { unknown: "review", yes: "pass", no: "block" }[state];
  const words = { unknown: say("ready.unknown"), yes: say("ready.yes"), no: say("ready.no") }[state];
  find("ready").replaceChildren(icon(shape), ` ${words}`);
  const refusal = infoRefusal();
  find("key-state").textContent = refusal?.isOfKey ? refusalSentence(refusal) : key() ? say("key.used") : "";
  const server = info();
  find("versions").textContent = server ? say("app.versions", { version: server.version, policy: server.policy?.version ?? "–" }) : "";
  if (current) document.title = `${find(`page-${current}`).querySelector("h1").textContent} · Wildwarden`;
}

/** Asks whether the server rates, and, where the policy or the key may have changed, what it is. */
async function refresh() {
  const isNew = await ask();
  isReady = await call("readyz").then(() => true, (refusal) => (refusal.isOfKey ? null : false));
  renderFrame();
  // Only then: whoever reads a page loses their place in it.
  if (isNew) PAGES[current].render();
}

/** Other hashes, the skip link's, are places on the page that is open. */
function route() {
  const asked = location.hash.startsWith("#/") ? location.hash.slice(2) : null;
  if (current && (asked === null || asked === current)) return;
  const first = current === null;
  if (current) PAGES[current].hide();
  current = asked in PAGES ? asked : "try";
  for (const name of Object.keys(PAGES)) find(`page-${name}`).hidden = name !== current;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${current}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  renderFrame();
  PAGES[current].show();
  if (!first) find(`page-${current}`).querySelector("h1").focus();
}

async function takeKey(typed) {
  if (!useKey(typed)) {
    find("key-state").textContent = say("key.unfit");
    return;
  }
  find("key").value = "";
  await refresh();
  PAGES[current].show();
}

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  takeKey(find("key").value.trim());
});
find("key-forget").addEventListener("click", () => takeKey(""));
find("language").addEventListener("click", async () => {
  await choose(chosen() === "en" ? "zh" : "en");
  keep("localStorage", LANGUAGE, chosen());
  translate();
});
window.addEventListener("hashchange", route);
document.addEventListener("visibilitychange", () => document.hidden || refresh());

await choose(preferred());
for (const page of Object.values(PAGES)) page.start();
translate();
document.body.hidden = false;
route();
await refresh();
