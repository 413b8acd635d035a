// Reads a page of metrics (OpenMetrics text), and what two pages say of the time between them.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const unescaped = (text) => text.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
const asNumber = (text) => Number(text.replace(/^([+-]?)Inf$/, "$1Infinity"));

/** Samples by name, each with its labels. */
export function parse(page) {
  const families = new Map();
  for (const [, name, labels = "", value] of page.split("\n").map((line) => LINE.exec(line)).filter(Boolean)) {
    const read = Object.fromEntries([...labels.matchAll(LABEL)].map(([, label, text]) => [label, unescaped(text)]));
    if (!families.has(name)) families.set(name, []);
    families.get(name).push({ labels: read, value: asNumber(value) });
  }
  return families;
}

/** Sums of the samples of that name, by what `group` makes of their labels; `null`: left out. */
export function sums(page, name, group) {
  const found = new Map();
  for (const { labels, value } of page.get(name) ?? []) {
    const key = group(labels);
    if (key !== null) found.set(key, (found.get(key) ?? 0) + value);
  }
  return found;
}

/** How much counters grew. One that fell began anew, with the server, so all that it counts is growth. */
export function growth(before, after, name, group) {
  const old = sums(before, name, group);
  const grown = (key, value) => (value < (old.get(key) ?? 0) ? value : value - (old.get(key) ?? 0));
  return new Map([...sums(after, name, group)].map(([key, value]) => [key, grown(key, value)]));
}

/** Of growths, what each is of all; none at all while nothing grew. */
export function shares(grown) {
  const all = [...grown.values()].reduce((sum, value) => sum + value, 0);
  return all > 0 ? new Map([...grown].map(([key, value]) => [key, value / all])) : new Map();
}

/**
 * The value below which that share of observations lies, from cumulative counts by upper bound; `null` without observations.
 * Within a bucket they are taken to be spread evenly; beyond the last finite bound nothing is known but the bound.
 */
export function quantile(share, cumulative) {
  const buckets = [...cumulative].sort(([a], [b]) => a - b);
  const all = buckets.at(-1)?.[1] ?? 0;
  if (!(all > 0)) return null;
  const rank = share * all;
  const index = buckets.findIndex(([, count]) => count >= rank);
  const [lower, below] = index > 0 ? buckets[index - 1] : [0, 0];
  const [upper, upTo] = buckets[index];
  if (!Number.isFinite(upper)) return lower;
  return lower + (upper - lower) * (upTo > below ? (rank - below) / (upTo - below) : 1);
}

/** How much a histogram grew, as cumulative counts by upper bound; `match`: of which series. */
export const bucketGrowth = (before, after, name, match) =>
  growth(before, after, `${name}_bucket`, (labels) => (match(labels) ? asNumber(labels.le) : null));
