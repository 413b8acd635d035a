// The page of what happens now: the metrics, asked for every two seconds while somebody can see it, as lines.

import { call } from "./api.js";
import { chart } from "./chart.js";
import { find, make } from "./dom.js";
import { bucketGrowth, growth, parse, quantile, shares, sums } from "./metrics.js";
import { notice } from "./notice.js";
import { say, sayAs } from "./texts.js";

const EVERY_MS = 2000;
/** Points of a line: five minutes. */
const KEPT = 150;
/** Seconds over which times are counted: two seconds hold too few listings for a p95. */
const WINDOW = 60;
const PREFIX = "wildwarden_";
const STAGE_SECONDS = `${PREFIX}stage_duration_seconds`;
const LISTING_SECONDS = `${PREFIX}listing_duration_seconds`;
/** Codes by which a call is turned away that nothing was wrong with. */
const TURNED_AWAY = ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"];

let samples = [];
let points = [];
let timer = 0;
let paused = false;
let open = false;
let problem = null;

const runs = () => open && !paused && !document.hidden && !problem?.isOfKey;
const scaled = (map, by) => new Map([...map].map(([name, value]) => [name, value * by]));
/** Items of a batch are counted beside the batch, under a name of their own. */
const code = (labels) => (labels.rpc === "Classify item" ? null : labels.code);

function quantiles(earlier, after, name, match) {
  const cumulative = bucketGrowth(earlier.page, after.page, name, match);
  const at = (share) => [`p${100 * share}`, quantile(share, cumulative)];
  return scaled(new Map([at(0.5), at(0.95)].filter(([, value]) => value !== null)), 1000);
}

/** What two pages, and one a minute before, say of now: values by chart and line. */
function point(before, after, earlier) {
  const rate = (name, group) => scaled(growth(before.page, after.page, PREFIX + name, group), 1 / (after.at - before.at));
  const gauge = (name) => sums(after.page, PREFIX + name, () => "now");
  const sharesOf = (name, group) => shares(growth(before.page, after.page, PREFIX + name, group));
  const [all, lookups] = [sharesOf("requests_total", code), sharesOf("image_cache_lookups_total", (labels) => labels.outcome)];
  const stages = new Set((after.page.get(`${STAGE_SECONDS}_count`) ?? []).map((sample) => sample.labels.stage));
  return {
    calls: rate("requests_total", code),
    rated: rate("listings_rated_total", (labels) => labels.suggestion),
    refused: new Map(TURNED_AWAY.map((name) => [name, all.size ? (all.get(name) ?? 0) : null])),
    queue: gauge("queue_jobs"),
    cache: new Map([["now", lookups.size ? (lookups.get("hit") ?? 0) : null]]),
    looks: rate("looks_total", (labels) => `${labels.modality} ${labels.look} ${labels.outcome}`),
    stuck: gauge("workers_stuck"),
    memory: gauge("resident_memory_bytes"),
    total: quantiles(earlier, after, LISTING_SECONDS, () => true),
    stages: new Map([...stages].map((stage) => [stage, quantiles(earlier, after, STAGE_SECONDS, (labels) => labels.stage === stage)])),
  };
}

/** One more page of metrics. */
function take(sample) {
  const before = samples.at(-1);
  samples = [...samples, sample].filter((one) => sample.at - one.at <= 2 * WINDOW);
  const earlier = samples.findLast((one) => sample.at - one.at >= WINDOW) ?? samples[0];
  if (before) points = [...points, point(before, sample, earlier)].slice(-KEPT);
}

async function poll() {
  clearTimeout(timer);
  if (!runs()) return;
  // Taken now, so that an answer to a question from before a pause starts no second round.
  const mine = (timer = setTimeout(poll, 10 * EVERY_MS));
  try {
    const page = parse(await call("metrics"));
    take({ at: performance.now() / 1000, page });
    problem = null;
  } catch (refusal) {
    problem = refusal;
  }
  if (timer !== mine) return;
  clearTimeout(timer);
  render();
  timer = setTimeout(poll, EVERY_MS);
}

const lookName = (key) => {
  const [modality, look, outcome] = key.split(" ");
  return say("live.look", { modality: sayAs("modality", modality), look, outcome: sayAs("look_outcome", outcome) });
};

/** A line for every name that any point has, as long as all points. */
function lines(of, name) {
  const names = new Set(points.flatMap((one) => [...(of(one) ?? new Map()).keys()]));
  return [...names].sort().map((key) => ({ name: name(key), values: points.map((one) => of(one)?.get(key) ?? null) }));
}

function charts() {
  const plain = (key) => key;
  const now = () => say("live.now");
  const time = (stage) => say("live.time", { stage: sayAs("stage", stage) });
  const stages = [...new Set(points.flatMap((one) => [...one.stages.keys()]))].sort();
  return [
    chart(say("live.calls"), "rate", lines((one) => one.calls, plain)),
    chart(say("live.rated"), "rate", lines((one) => one.rated, (key) => sayAs("suggestion", key))),
    chart(say("live.refused"), "share", lines((one) => one.refused, (key) => sayAs("turned_away", key.toLowerCase()))),
    chart(say("live.queue"), "count", lines((one) => one.queue, now)),
    chart(say("live.cache"), "share", lines((one) => one.cache, now)),
    chart(say("live.looks"), "rate", lines((one) => one.looks, lookName)),
    chart(say("live.stuck"), "count", lines((one) => one.stuck, now)),
    chart(say("live.memory"), "bytes", lines((one) => one.memory, now)),
    chart(time("total"), "milliseconds", lines((one) => one.total, plain)),
    ...stages.map((stage) => chart(time(stage), "milliseconds", lines((one) => one.stages.get(stage), plain))),
  ];
}

function render() {
  find("live-pause").textContent = say(paused ? "live.go_on" : "live.pause");
  const state = say(problem ? "live.without" : paused ? "live.paused" : points.length ? "live.running" : "live.first");
  // Said when it changes, not every two seconds.
  if (find("live-state").textContent !== state) find("live-state").textContent = state;
  const shown = [problem && notice(problem), points.length > 0 && make("div", { class: "cards" }, charts())];
  find("live").replaceChildren(...shown.filter(Boolean));
}

function start() {
  find("live-pause").addEventListener("click", () => {
    paused = !paused;
    render();
    poll();
  });
  document.addEventListener("visibilitychange", poll);
}

function show() {
  [open, problem] = [true, null];
  render();
  poll();
}

function hide() {
  open = false;
  clearTimeout(timer);
}

export const livePage = { start, show, hide, render };
