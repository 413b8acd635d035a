// The console as somebody opens it: a page of Chromium, what it complains of, and what people do on it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const ROOT = process.env.WILDWARDEN_ROOT;
const CONSOLE = join(ROOT, "src/server/console");
/** Origins of two servers: everybody may call the one, the other has keys. */
export const OPEN = process.env.WILDWARDEN_CONSOLE;
export const KEYED = process.env.WILDWARDEN_CONSOLE_WITH_KEYS;
export const PHOTO = join(ROOT, "tests/fixtures/images/tusk.jpg");
export const LOCALES = { en: "en-GB", zh: "zh-CN" };
export const texts = (language) => JSON.parse(readFileSync(join(CONSOLE, `texts.${language}.json`), "utf8"));

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM });

/** A page of its own, not yet opened: no other shares what it remembers. `page.complaints` must stay empty. */
export async function visitor(browser, origin, language, viewport = { width: 1280, height: 900 }) {
  const context = await browser.newContext({ viewport, locale: LOCALES[language] });
  // Set by the browser's own means, which the page's policy does not bind.
  await context.addInitScript(axe.source);
  await context.addInitScript(() =>
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  // The files of the page are compiled into the server. With this a change to them is seen without compiling it anew; their headers,
  // the policy among them, are the server's nonetheless.
  if (process.env.WILDWARDEN_CONSOLE_FROM_DISK) {
    await context.route(/\/(\w+\.(js|css)|texts\.\w+\.json)?$/, async (route) => {
      const name = new URL(route.request().url()).pathname.slice(1) || "index.html";
      await route.fulfill({ response: await route.fetch(), body: readFileSync(join(CONSOLE, name)) });
    });
  }
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => message.type() === "error" && page.complaints.push(`${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("request", (request) => {
    const { protocol, origin: asked } = new URL(request.url());
    if (asked !== origin && !["blob:", "data:"].includes(protocol)) page.complaints.push(`asks ${request.url()}`);
  });
  return page;
}

/** Opens the page and rates a listing, by pointer. */
export async function rated(page, origin, { title, photo = PHOTO }) {
  await page.goto(origin);
  await page.setInputFiles("#photos-input", photo);
  await page.fill("#title", title);
  await page.click("#rate");
  await page.waitForSelector("#result .risk");
}

export const follow = (page, name) => page.click(`nav a[href="#/${name}"]`);

/** Presses Tab until the element of that id has the keyboard. Wherever it goes on the way must be seen. */
export async function tabTo(page, id) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const outlined = (node) => Boolean(node) && getComputedStyle(node).outlineStyle !== "none";
      const node = document.activeElement;
      // The label of the input for photos is seen in its place.
      return { id: node.id, name: node.outerHTML, isSeen: outlined(node) || outlined(node.nextElementSibling) };
    });
    assert.ok(at.isSeen, `the keyboard is not seen at ${at.name}`);
    if (at.id === id) return;
  }
  assert.fail(`Tab does not lead to ${id}`);
}

/** What axe finds on the page as it stands, one line a finding. */
export async function findings(page) {
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ impact, id, nodes }) => nodes.map((node) => `${impact} ${id}: ${node.html}`));
}

/** How far the page is wider than its window. */
export const overflow = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Words that stand on two lines because the space for them is too narrow. Han characters are a word in tables alone. */
export const brokenWords = (page) =>
  page.evaluate(() => {
    const found = [];
    const range = document.createRange();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.parentElement.checkVisibility()) continue;
      const isCell = node.parentElement.closest(".wide") && !node.parentElement.closest("p, q");
      for (const word of node.data.matchAll(isCell ? /[\p{L}\p{Nd}_.,]+/gu : /[\p{Script=Latin}\p{Nd}_.,]+/gu)) {
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size > 1) found.push(word[0]);
      }
    }
    return found;
  });

/** Every string that people see or hear, without code, what the listing says, and what says itself that it is in another language. */
export const strings = (page) =>
  page.evaluate(() => {
    const others = (node) => node.closest("code, pre, .words-read") ?? (node.closest("[lang]").lang !== document.documentElement.lang);
    const found = [];
    for (const node of document.body.querySelectorAll("*")) {
      if (!node.checkVisibility() || others(node)) continue;
      found.push(...["aria-label", "alt"].map((name) => node.getAttribute(name) ?? ""));
      found.push(...[...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.data));
    }
    return found.map((text) => text.trim()).filter(Boolean);
  });
