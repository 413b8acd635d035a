// The console in Chromium, before a server with the shipped models. tests/test_browser.py starts all of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { brokenWords, findings, follow, KEYED, launch, LOCALES, OPEN, overflow, PHOTO, rated, strings, tabTo, texts, visitor } from "./page.mjs";

const TITLES = { en: "Antique carved tusk", zh: "老料手串 包浆好" };
/** Each page, and what stands on it once it has been answered. */
const PAGES = { try: "#result .risk", models: "#models table", live: "#live .chart", learn: "#learn dt" };
const WIDTHS = [360, 768, 1280, 1600];
const RATE = "/v1/listings:rate";
const HAN = /\p{Script=Han}/u;

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

test("a listing is rated by keyboard alone", async (t) => {
  const page = await visitor(browser, OPEN, "en");
  // From the first: a dialog that opens before it is listened for would be the system's own, which nobody answers.
  page.on("filechooser", (dialog) => dialog.setFiles(PHOTO));
  const began = performance.now();
  await page.goto(OPEN);
  await page.waitForSelector("#rate");
  await tabTo(page, "photos-input");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#photos img");
  await tabTo(page, "title");
  await page.keyboard.type(TITLES.en);
  await tabTo(page, "rate");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#result .risk");
  t.diagnostic(`${Math.round(performance.now() - began)} ms from opening the page to the first rating`);
  assert.equal(await page.evaluate(() => document.activeElement.id), "rate", "the keyboard keeps its place");
  const [spoken, risk] = [await page.textContent("#announcement"), await page.textContent("#result .risk")];
  assert.ok(spoken.includes(risk), spoken);

  const photos = page.locator("#photos li");
  await page.focus("#photos button");
  await page.keyboard.press("Enter");
  assert.equal(await photos.count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.id), "photos-input");
  await tabTo(page, "description");
  await Promise.all([page.waitForResponse((answer) => answer.url().endsWith(RATE)), page.keyboard.press("Control+Enter")]);
  await page.waitForSelector("#result .risk");
  assert.equal(await page.locator("#result .picture").count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

// Each on a page of its own, so they need not wait for one another.
describe("beside one another", { concurrency: 3 }, () => {
  for (const language of Object.keys(LOCALES)) {
    test(`every page in ${language} fits every width and has nothing that axe finds, light or dark`, async (t) => {
      const page = await visitor(browser, OPEN, language);
      await rated(page, OPEN, { title: TITLES[language] });
      for (const snippet of await page.locator("#result summary").all()) await snippet.click();
      for (const [name, answered] of Object.entries(PAGES)) {
        await follow(page, name);
        await page.waitForSelector(answered);
        const found = {};
        const look = async (at) => {
          assert.equal(await overflow(page), 0, `${name} at ${at} is wider than its window`);
          assert.deepEqual(await brokenWords(page), [], `${name} at ${at}`);
          found[at] = await findings(page);
        };
        await page.emulateMedia({ colorScheme: "dark" });
        await look("1280 dark");
        await page.emulateMedia({ colorScheme: "light" });
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: 900 });
          await look(width);
        }
        t.diagnostic(`${name} ${language}: ${Object.entries(found).map(([at, list]) => `${at}: ${list.length}`).join(", ")}`);
        assert.deepEqual(Object.values(found).flat(), [], name);
        await page.setViewportSize({ width: 1280, height: 900 });
      }
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }

  test("another language is asked for anew, and the page speaks it alone", async () => {
    const page = await visitor(browser, OPEN, "en");
    const asked = [];
    page.on("request", (request) => request.url().endsWith(RATE) && asked.push(request.headers()["accept-language"]));
    // A title that is of no language.
    await rated(page, OPEN, { title: "9527" });
    const risk = await page.textContent("#result .risk");
    const change = async () => {
      await follow(page, "try");
      await Promise.all([page.waitForResponse((answer) => answer.url().endsWith(RATE)), page.click("#language")]);
      await page.waitForSelector("#result .risk");
    };
    const speaks = async (language, other) => {
      const [own, foreign] = [texts(language), texts(other)].map((known) => new Set(Object.values(known)));
      assert.equal(await page.getAttribute("html", "lang"), language === "zh" ? "zh-CN" : "en");
      for (const [name, answered] of Object.entries(PAGES)) {
        await follow(page, name);
        await page.waitForSelector(answered);
        const said = await strings(page);
        assert.ok(said.length > 15, `${name} is empty`);
        // Two words in Latin letters, one after the other, are a sentence; one is a name.
        const isForeign = (text) => (foreign.has(text) && !own.has(text)) || (language === "zh" ? /[a-z]{2} [a-z]{2}/i : HAN).test(text);
        assert.deepEqual(said.filter(isForeign), [], name);
      }
    };
    await speaks("en", "zh");
    await change();
    await speaks("zh", "en");
    await page.reload();
    assert.equal(await page.getAttribute("html", "lang"), "zh-CN", "the choice is kept");
    await rated(page, OPEN, { title: "9527" });
    await change();
    assert.equal(await page.textContent("#result .risk"), risk);
    assert.deepEqual(asked, ["en", "zh-CN", "zh-CN", "en"]);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test("the heat map and the box lie over the photo where the answer says", async () => {
    const page = await visitor(browser, OPEN, "en");
    const [answer] = await Promise.all([page.waitForResponse((response) => response.url().endsWith(RATE)), rated(page, OPEN, { title: "tusk" })]);
    const { images, categories } = await answer.json();
    const strongest = categories.reduce((so, one) => (one.probability > so.probability ? one : so));
    const { box, heatMap } = images[0].scores.find((score) => score.category === strongest.category).explanation;
    const drawn = await page.evaluate(() => {
      const place = (selector) => {
        const { left, right, top, bottom } = document.querySelector(`.picture ${selector}`).getBoundingClientRect();
        return { left, right, top, bottom };
      };
      const canvas = document.querySelector(".picture canvas");
      const alphas = [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter((_, at) => at % 4 === 3);
      const { naturalWidth } = document.querySelector(".picture img");
      return { image: place("img"), canvas: place("canvas"), line: place("rect.line"), alphas, naturalWidth };
    });
    assert.equal(drawn.naturalWidth, images[0].width);
    const { image, canvas, line } = drawn;
    const across = (share) => image.left + share * (image.right - image.left);
    const down = (share) => image.top + share * (image.bottom - image.top);
    const boxed = { left: across(box.left), right: across(box.right), top: down(box.top), bottom: down(box.bottom) };
    for (const side of Object.keys(image)) {
      assert.ok(Math.abs(canvas[side] - image[side]) < 1, `${side} of the heat map`);
      assert.ok(Math.abs(line[side] - boxed[side]) < 2, `${side} of the box`);
    }
    assert.deepEqual(drawn.alphas.map((alpha) => alpha > 0), heatMap.values.map((value) => value > 0));

    // What stands in the tree must also be seen.
    const picture = page.locator(".picture");
    const seen = [await picture.screenshot()];
    for (const layer of ["Heat map", "Box"]) {
      await page.getByLabel(layer, { exact: true }).uncheck();
      seen.push(await picture.screenshot());
    }
    assert.ok(!seen[0].equals(seen[1]) && !seen[1].equals(seen[2]), "both layers can be seen");
    assert.equal(await page.locator(".picture canvas, .picture rect").count(), 0);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test("a key opens what it may, and rolling back asks once more", async () => {
    const page = await visitor(browser, KEYED, "en");
    const english = texts("en");
    const calls = [];
    page.on("request", (request) => request.method() === "POST" && calls.push(new URL(request.url()).pathname));
    const use = async (key) => {
      await page.fill("#key", key);
      await Promise.all([page.waitForResponse((answer) => answer.url().endsWith("/readyz")), page.keyboard.press("Enter")]);
    };
    const told = (selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor();

    await page.goto(KEYED);
    await told("#key-state", english["refusal.unauthenticated"]);
    await use("not-a-key");
    await told("#key-state", english["refusal.unauthenticated"]);
    assert.equal(await page.inputValue("#key"), "");
    await page.fill("#title", TITLES.en);
    await page.click("#rate");
    await told("#result .notice", english["refusal.unauthenticated"]);
    assert.equal(await page.getAttribute("#rate", "aria-disabled"), "true");

    await use("reader");
    await told("#key-state", english["key.used"]);
    await page.click("#rate");
    await page.waitForSelector("#result .risk");
    await follow(page, "models");
    await told("#models .notice", english["refusal.permission_denied"]);
    assert.ok(await page.locator("#models button").isDisabled());
    await follow(page, "live");
    await told("#live .notice", english["refusal.permission_denied"]);
    await follow(page, "models");

    // The server has taken a policy over and tries another: rolling back ends the trial first, then returns to the policy of before.
    await use("admin");
    await told("#models h2", english["report.title"]);
    const rollBack = page.locator("#models button");
    for (const [what, becomes] of [["This ends the trial", english["report.none"]], ["policy 1;", "There is nothing to go back to"]]) {
      calls.length = 0;
      await rollBack.click();
      await told("#roll-back-what", what);
      assert.deepEqual(await findings(page), []);
      await page.keyboard.press("Escape");
      await rollBack.click();
      await page.click("#roll-back-no");
      assert.deepEqual(calls, [], "nothing is done before it is confirmed");
      await rollBack.click();
      await page.click("#roll-back-yes");
      await told("#models p", becomes);
      assert.deepEqual(calls, ["/v1/models:rollback"]);
      await told("#announcement", english["models.rolled_back"]);
    }
    await told("#models dd", /^1 /);

    await page.click("#key-forget");
    await told("#key-state", english["refusal.unauthenticated"]);
    // The browser itself notes what was refused.
    assert.deepEqual(page.complaints.filter((complaint) => !/status of 40[13]/.test(complaint)), []);
    await page.context().close();
  });
});
