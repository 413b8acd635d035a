// Small line charts, newest on the right. Lines differ by dashes, too, and a table beside the chart has in numbers what it shows.

import { draw, make } from "./dom.js";
import { measure, say } from "./texts.js";

const WIDTH = 300;
const HEIGHT = 96;
const TOP = 14;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "1 5", "14 4"];

const isKnown = (value) => value !== null && value !== undefined;

/** The last value, the least and the most, of those that are known; `null` where none is. */
export function summary(values) {
  const known = values.filter(isKnown);
  return known.length ? { last: known.at(-1), least: Math.min(...known), most: Math.max(...known) } : null;
}

/** Path data through `values` on a height from 0 to `most`; a value that is not known breaks the line. */
export function path(values, most) {
  const step = WIDTH / Math.max(values.length - 1, 1);
  const y = (value) => HEIGHT - ((HEIGHT - TOP) * value) / (most || 1);
  return values.map((value, index) =>
    isKnown(value) ? `${isKnown(values[index - 1]) ? "L" : "M"}${(index * step).toFixed(1)} ${y(value).toFixed(1)}` : "").join("");
}

/** Of more lines than dashes none has both colour and dashes of another. */
function styled(index) {
  const round = Math.floor(index / DASHES.length);
  return { class: `series-${index % DASHES.length}`, "stroke-dasharray": DASHES[(index + round) % DASHES.length] };
}

/** `series`: name and values, all as long. */
export function chart(title, unit, series) {
  const shown = series.map((one) => ({ ...one, ...summary(one.values) })).filter((one) => one.last !== undefined);
  const caption = make("figcaption", {}, title);
  if (!shown.length) return make("figure", { class: "card" }, caption, make("p", { class: "hint" }, say("live.nothing")));
  const most = Math.max(...shown.map((one) => one.most));
  const lines = shown.map((one, index) => draw("path", { ...styled(index), d: path(one.values, most) }));
  const sample = (index) =>
    draw("svg", { class: "sample", viewBox: "0 0 36 8", "aria-hidden": "true" }, draw("path", { ...styled(index), d: "M0 4H36" }));
  const rows = shown.map((one, index) => make("tr", {}, make("th", { scope: "row" }, sample(index), " ", one.name),
    ["last", "least", "most"].map((which) => make("td", {}, measure(unit, one[which])))));
  const heads = [say("live.line"), say("live.last"), say("live.least"), say("live.most")];
  return make("figure", { class: "card" }, caption,
    draw("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT + 1}`, role: "img", "aria-label": say("live.chart", { title }) },
      draw("path", { class: "axis", d: `M0 ${HEIGHT}H${WIDTH}` }), lines,
      // Where all is zero there is no height to name.
      most > 0 && [draw("path", { class: "axis", d: `M0 ${TOP}H${WIDTH}` }), draw("text", { x: 0, y: 10 }, measure(unit, most))]),
    make("table", {}, make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, rows)));
}
