// The page for people in training. It is made of the texts, in their order: a key that ends in "title" begins a section.

import { find, make, terms } from "./dom.js";
import { categories, describe, title } from "./server.js";
import { keysOf, say } from "./texts.js";

/** What the categories are is the policy's to say. */
const declared = () => categories().map((category) => [title(category.name), describe(category)]);

function render() {
  const parts = keysOf("lesson").flatMap((key) => {
    if (key.endsWith(".title")) return [make("h2", {}, say(key))];
    return [make("p", {}, say(key)), key === "lesson.categories.1" && terms(declared())].filter(Boolean);
  });
  find("learn").replaceChildren(...parts);
}

export const learnPage = { start() {}, show: render, hide() {}, render };
