// Every word that people read, in the language they chose, and numbers as that language writes them.

let language = "en";
let texts = {};

export const chosen = () => language;
export const locale = (of = language) => (of === "zh" ? "zh-CN" : of);

export function use(wanted, found) {
  language = wanted;
  texts = found;
}

/** Takes the texts of a language from the server; without them nothing changes. */
export async function choose(wanted) {
  const answer = await fetch(`texts.${wanted}.json`);
  use(wanted, await answer.json());
}

/** `{name}` in a text becomes the value of that name. Values are put in once, so braces in data stay what they are. */
export const fill = (text, values = {}) =>
  text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));

export const say = (key, values) => fill(texts[key] ?? key, values);

/** What the contract or the metrics call `value`, in words; a name that is newer than these texts stays as it is. */
export const sayAs = (namespace, value, values) => fill(texts[`${namespace}.${value}`] ?? String(value), values);

/** The same of an enum's value: "LEVEL_HIGH" with "LEVEL" is the text "level.high". */
export const sayEnum = (prefix, value) => sayAs(prefix.toLowerCase(), bare(prefix, value));

export const bare = (prefix, value) => String(value).replace(`${prefix}_`, "").toLowerCase();

/** Keys in their order in the file, which is the order of the page that is made of them. */
export const keysOf = (namespace) => Object.keys(texts).filter((key) => key.startsWith(`${namespace}.`));

/** Four places, as the API, the command line and the arguments of reasons have them: 0.9999 must not become 100 %. */
export const probability = (value) => Number(value).toFixed(4);

export const number = (value, digits = 3) =>
  new Intl.NumberFormat(locale(), { maximumSignificantDigits: digits }).format(value);

const MEASURES = {
  count: (value) => number(value, 6),
  rate: (value) => say("unit.rate", { value: number(value) }),
  share: (value) => say("unit.percent", { value: number(100 * value) }),
  milliseconds: (value) => say("unit.milliseconds", { value: number(value) }),
  bytes: (value) => say("unit.mebibytes", { value: number(value / 1024 ** 2) }),
};

export const measure = (unit, value) => (value === null || value === undefined ? "–" : MEASURES[unit](value));
