// Elements made of data. Data becomes text, never markup: nothing in the console reads HTML from a string.

const SVG = "http://www.w3.org/2000/svg";

/** A circle, a triangle and an octagon, so that the suggestion is told by shape where colour is not seen. */
const SHAPES = {
  pass: ["M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z", "M4.8 8.3l2.2 2.2 4.2-4.6"],
  review: ["M8 1.5L15 14.5H1z", "M8 6v4M8 12v.7"],
  block: ["M5 1h6l4 4v6l-4 4H5l-4-4V5z", "M4.5 8h7"],
};

function complete(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Functions among the attributes listen to the event of that name. */
export const make = (name, attributes, ...children) => complete(document.createElement(name), attributes, children);
export const draw = (name, attributes, ...children) =>
  complete(document.createElementNS(SVG, name), attributes, children);
export const find = (id) => document.getElementById(id);

export const icon = (name) =>
  draw("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, SHAPES[name].map((d) => draw("path", { d })));

/** Five steps, as many of them full as the level is high. */
export const steps = (full) =>
  draw("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, [1, 2, 3, 4, 5].map((step) =>
    draw("rect", { class: step <= full ? "full" : null, x: 3 * step - 2, y: 15 - 2.7 * step, width: 2, height: 2.7 * step })));

/** A bar of that share beside its name and its value, which say the same in words. */
export function row(name, share, value) {
  const full = make("span");
  full.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  return make("div", { class: "row" }, make("span", {}, name), make("span", { class: "bar", "aria-hidden": "true" }, full),
    make("span", { class: "value" }, value));
}

/** The beginning of a hash, by which people tell two of them apart; of none nothing. */
export const shortHash = (sha256) => (sha256 ? make("code", {}, sha256.slice(0, 8)) : "");

/** The first cell of a row names it. Wide tables scroll by themselves, by keyboard, too. */
export function table(caption, heads, rows) {
  const head = make("tr", {}, heads.map((name) => make("th", { scope: "col" }, name)));
  const body = rows.map(([first, ...rest]) =>
    make("tr", {}, make("th", { scope: "row" }, first), rest.map((cell) => make("td", {}, cell))));
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, body)));
}

export const terms = (pairs) =>
  make("dl", {}, pairs.filter(Boolean).map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

/** For those who hear the page: what has just happened. */
export function announce(sentence) {
  find("announcement").textContent = sentence;
}
