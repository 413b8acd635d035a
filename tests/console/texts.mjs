// Puts the texts of a language in force, as the page would after fetching them.

import { readFileSync } from "node:fs";
import { use } from "../../src/server/console/texts.js";

export const CONSOLE = new URL("../../src/server/console/", import.meta.url);
export const found = (language) => JSON.parse(readFileSync(new URL(`texts.${language}.json`, CONSOLE), "utf8"));
export const speak = (language) => use(language, found(language));
