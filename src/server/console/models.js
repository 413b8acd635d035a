// The page of what serves: versions, sets, a trial and what it shows, and the way back.

import { call, key, refusalOf } from "./api.js";
import { announce, find, make, shortHash, table, terms } from "./dom.js";
import { notice, serverWords } from "./notice.js";
import { refusalSentence } from "./sentences.js";
import { title } from "./server.js";
import { bare, measure, number, probability, say, sayEnum } from "./texts.js";

const [STATUS, REPORT, ROLL_BACK] = ["v1/models", "v1/models:report", "v1/models:rollback"];
let status = null;
let report = null;
let problem = null;

const listed = (names) => names.join(say("reason.list"));
const named = (models) => listed(models.map((model) => `${model.name} ${model.version}`));
/** Numbers of 64 bits come as strings. */
const count = (value) => number(Number(value), 9);
const heads = (...keys) => keys.map((head) => say(head));

async function load() {
  try {
    status = await call(STATUS);
    // Without a trial there is nothing to report, and to ask would be refused.
    report = status.candidate ? await call(REPORT) : null;
    problem = null;
  } catch (refusal) {
    [report, problem] = [null, refusal];
    if (refusal.isOfKey) status = null;
  }
  render();
}

function serving() {
  const { policy, set, generation, loading, waiting, policyProblem } = status;
  return [
    make("h2", {}, say("models.serving")),
    terms([
      policy && [say("result.policy"), [policy.version, " ", shortHash(policy.sha256)]],
      set && [say("models.set"), [set.name, " ", shortHash(set.sha256)]],
      [say("models.generation"), generation],
      loading && [say("models.loading"), loading],
      policyProblem && [say("models.policy_problem"), serverWords(policyProblem)],
    ]),
    waiting.length > 0 && make("h3", {}, say("models.waiting")),
    waiting.length > 0 && make("ul", {}, waiting.map((sentence) => make("li", {}, serverWords(sentence)))),
  ];
}

function versions() {
  const notes = ({ heldBack, reason, retryInMs }) => [
    heldBack && make("p", {}, say("models.held_back")),
    reason && make("p", {}, serverWords(reason)),
    Number(retryInMs) > 0 && make("p", {}, say("models.retry", { seconds: Math.ceil(retryInMs / 1000) })),
  ];
  const rows = status.models.flatMap((model) => model.versions.map((version) => [model.name, version.version,
    sayEnum("VERSION_STATE", version.state), listed(version.labels), shortHash(version.sha256), notes(version)]));
  const columns = heads("models.model", "models.version", "models.state", "models.labels", "models.hash", "models.notes");
  return [make("h2", {}, say("models.versions")), table(say("models.versions"), columns, rows)];
}

function sets() {
  const rows = status.sets.map((set) =>
    [set.name, sayEnum("VERSION_STATE", set.state), serverWords(set.summary), serverWords(set.reason)]);
  const columns = heads("models.set", "models.state", "models.summary", "models.notes");
  return [make("h2", {}, say("models.sets")), table(say("models.sets"), columns, rows)];
}

function trial() {
  const { candidate } = status;
  if (!candidate || !report) return [make("h2", {}, say("report.title")), make("p", {}, say("report.none"))];
  const about = { trial: sayEnum("VERSION_STATE", candidate.trial), share: measure("share", candidate.share),
    models: named(candidate.models) };
  const suggestions = (pair) => [sayEnum("SUGGESTION", pair.stable), sayEnum("SUGGESTION", pair.candidate)];
  const reason = (code) => (code.endsWith("_UNSPECIFIED") ? "" : make("code", {}, bare("REASON_CODE", code)));
  const time = (name, work) => [name, ...["p50Us", "p99Us"].map((which) => measure("milliseconds", Number(work?.[which] ?? 0) / 1000))];
  return [
    make("h2", {}, say("report.title")),
    make("p", {}, say("report.candidate", about)),
    terms(["compared", "agreed", "faults", "dropped"].map((name) => [say(`report.${name}`), count(report[name])])),
    // Where nothing is told apart yet, there is no table.
    report.transitions.length > 0 && table(say("report.transitions"), heads("report.stable", "report.trial", "report.listings"),
      report.transitions.map((pair) => [...suggestions(pair), count(pair.listings)])),
    report.shifts.length > 0 && table(say("report.shifts"),
      heads("result.category", "report.mean", "report.p99", "report.most", "report.signed"),
      report.shifts.map((shift) => [title(shift.category), ...[shift.mean, shift.p99, shift.max, shift.signedMean].map(probability)])),
    table(say("report.work"), heads("report.which", "report.p50", "report.p99"),
      [time(say("report.stable"), report.stable), time(say("report.trial"), report.candidate)]),
    report.flips.length > 0 && table(say("report.flips"),
      heads("report.listing", "report.stable", "report.trial", "report.stable_risk", "report.trial_risk", "result.category",
        "report.reason"),
      // The newest first.
      [...report.flips].reverse().map((flip) => [flip.listingId || flip.requestId, ...suggestions(flip), probability(flip.stableRisk),
        probability(flip.candidateRisk), flip.category && title(flip.category), reason(flip.reason)])),
  ];
}

/** What rolling back would do now; `null`: nothing. */
function wayBack() {
  const { candidate, previous, previousPolicy, previousSet } = status;
  if (candidate) return say("models.ends_trial", { models: named(candidate.models) });
  if (!previous.length && !previousPolicy) return null;
  return say("models.returns_to", { models: named(previous), policy: previousPolicy?.version ?? "–", set: previousSet?.name ?? "–" });
}

const forbidden = () => refusalOf(ROLL_BACK) ?? refusalOf(STATUS);

/** Why it cannot be rolled back; `null`: it can. */
function obstacle() {
  if (forbidden()) return refusalSentence(forbidden());
  if (!key()) return say("models.roll_back_key");
  return wayBack() ? null : say("models.roll_back_nothing");
}

function rollBack() {
  const why = obstacle();
  const question = () => {
    find("roll-back-what").textContent = wayBack();
    find("roll-back").showModal();
  };
  const button = { type: "button", disabled: Boolean(why), "aria-describedby": "roll-back-hint", click: question };
  return [make("h2", {}, say("models.roll_back")), make("p", { id: "roll-back-hint" }, why ?? wayBack()),
    make("p", {}, make("button", button, say("models.roll_back")))];
}

async function confirmed() {
  find("roll-back").close();
  const refused = await call(ROLL_BACK, {}).then(() => null, (refusal) => refusal);
  announce(refused ? refusalSentence(refused) : say("models.rolled_back"));
  await load();
  if (refused) {
    problem = refused;
    render();
  }
  // The button that was pressed is gone, and another stands in its place.
  find("page-models").querySelector("h1").focus();
}

function render() {
  const parts = status ? [serving(), rollBack(), versions(), sets(), trial()] : forbidden() ? [rollBack()] : [];
  find("models").replaceChildren(...[problem && notice(problem), ...parts].flat().filter(Boolean));
}

function start() {
  find("models-refresh").addEventListener("click", load);
  find("roll-back-no").addEventListener("click", () => find("roll-back").close());
  find("roll-back-yes").addEventListener("click", confirmed);
}

/** What is known first, in the language of now; then what is new. */
function show() {
  render();
  return load();
}

export const modelsPage = { start, show, hide() {}, render };
