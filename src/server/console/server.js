// What the server says of itself: limits, titles of categories, versions.

import { call } from "./api.js";
import { chosen } from "./texts.js";

let said = null;
let refused = null;

/** Asks anew, since the key or the policy may be another. Says whether the answer is. */
export async function ask() {
  const before = JSON.stringify([said, refused?.status]);
  try {
    [said, refused] = [await call("v1/server"), null];
  } catch (refusal) {
    [said, refused] = [null, refusal];
  }
  return JSON.stringify([said, refused?.status]) !== before;
}

/** `null`: not known, and the refusal says why. */
export const info = () => said;
export const infoRefusal = () => refused;
export const categories = () => said?.categories ?? [];

const inWords = (words, otherwise) => words?.[chosen()] || words?.en || otherwise;

/** As the policy titles it, in the language chosen; its name where nobody may know the titles. */
export const title = (name) => inWords(categories().find((category) => category.name === name)?.titles, name);
export const describe = (category) => inWords(category.descriptions, "");

/** A limit by its name in JSON; `null`: not known, so the server has to refuse. 64-bit numbers come as strings. */
export const limit = (name) => (said ? Number(said.limits[name]) : null);
