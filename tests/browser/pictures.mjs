// The pictures of the README: a rating in the console, in each language. scripts/pictures.py starts all that this needs.

import { join } from "node:path";
import { launch, OPEN, rated, visitor } from "./page.mjs";

const [folder] = process.argv.slice(2);
const PHOTO = join(process.env.WILDWARDEN_ROOT, "tests/fixtures/images/rendered/netsuke.jpg");
const TITLES = { en: "Old ivory carving, message me", zh: "老料兔子把件 包浆好 家传 私聊" };
const WIDTH = 1200;

const browser = await launch();
for (const [language, title] of Object.entries(TITLES)) {
  const page = await visitor(browser, OPEN, language, { width: WIDTH, height: 900 });
  await rated(page, OPEN, { title, photo: PHOTO });
  await page.mouse.move(0, 0);
  // Down to the categories; evidence, laws and times follow below.
  const cards = await page.locator("#result .cards").first().boundingBox();
  const height = Math.ceil(cards.y + cards.height + (await page.evaluate(() => scrollY)) + 16);
  await page.screenshot({ path: join(folder, `console.${language}.png`), fullPage: true, clip: { x: 0, y: 0, width: WIDTH, height } });
  await page.context().close();
}
await browser.close();
