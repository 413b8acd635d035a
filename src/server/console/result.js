// A rating as a person reads it: the verdict first, then why, then what was seen, then what it was made with.

import { icon, make, row, shortHash, steps, table, terms } from "./dom.js";
import { evidence } from "./evidence.js";
import { lawSentence, missingSentence } from "./sentences.js";
import { title } from "./server.js";
import { curl, grpcurl, python } from "./snippets.js";
import { bare, chosen, locale, measure, probability, say, sayAs, sayEnum } from "./texts.js";

const LEVELS = ["minimal", "low", "medium", "high", "critical"];
/** In the order in which a listing passes them. */
const STAGES = ["queue_wait", "decode", "resize", "image_inference", "words", "text_features", "text_inference", "score",
  "later_looks", "total"];

const part = (heading, ...content) => [make("h3", {}, heading), ...content];

const levelChip = (level) =>
  make("span", { class: `chip ${bare("LEVEL", level)}` }, steps(LEVELS.indexOf(bare("LEVEL", level)) + 1), sayEnum("LEVEL", level));

function verdict({ suggestion, level, risk }) {
  const name = bare("SUGGESTION", suggestion);
  return [
    make("div", { class: "verdict" }, make("span", { class: `chip ${name}` }, icon(name), sayEnum("SUGGESTION", suggestion)),
      make("span", {}, say("result.level"), " ", levelChip(level)),
      make("span", {}, say("result.risk"), " ", make("span", { class: "risk" }, probability(risk)))),
    make("p", {}, sayAs("suggestion_means", name)),
    make("p", { class: "notice" }, say("result.caution")),
  ];
}

const known = (value) => value !== null && value !== undefined;

function category(rating) {
  const bar = (name, value, none) => (known(value) ? row(name, value, probability(value)) : row(name, 0, none));
  return make("article", { class: "card" }, make("h4", {}, title(rating.category), " ", levelChip(rating.level)),
    bar(say("result.photo"), rating.imageProbability, say("result.none")),
    bar(say("result.text"), rating.textProbability, say("result.none")),
    bar(say("result.together"), rating.probability),
    rating.unrated && make("p", {}, say("result.unrated")),
    rating.bestImageId && make("p", { class: "hint" }, say("result.best_photo", { id: rating.bestImageId })));
}

const law = (basis) =>
  make("li", {}, lawSentence(basis), " ",
    basis.inForceSince && make("span", { class: "whole" }, say("result.in_force", { date: basis.inForceSince })), " ",
    basis.unverified && make("strong", {}, say("result.unverified"), " "), make("code", {}, basis.id));

function times(timings) {
  const field = (stage) => `${stage.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())}Us`;
  const taken = STAGES.map((stage) => [stage, Number(timings?.[field(stage)] ?? 0) / 1000]);
  // Nothing may have taken any time that was measured.
  const longest = Math.max(...taken.map(([, value]) => value), 1e-9);
  return taken.map(([stage, value]) => row(sayAs("stage", stage), value / longest, measure("milliseconds", value)));
}

function versions({ models, policy, requestId, ratedAt }) {
  const when = new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" });
  return [
    terms([
      policy && [say("result.policy"), [policy.version, " ", shortHash(policy.sha256)]],
      [say("result.request"), make("code", {}, requestId)],
      ratedAt && [say("result.rated_at"), when.format(new Date(ratedAt))],
    ]),
    table(say("result.models"), [say("models.model"), say("models.version"), say("models.hash")],
      models.map((model) => [model.name, model.version, shortHash(model.sha256)])),
  ];
}

function snippet(name, code) {
  const copied = make("span", { role: "status" });
  // Without the right to write there, or without TLS on another machine, people copy by hand.
  const copy = () => Promise.resolve(navigator.clipboard?.writeText(code) ?? Promise.reject()).then(
    () => (copied.textContent = say("snippet.copied")), () => (copied.textContent = say("snippet.not_copied")));
  return make("details", {}, make("summary", {}, name),
    make("p", {}, make("button", { type: "button", click: copy }, say("snippet.copy")), " ", copied),
    make("pre", { tabindex: "0", role: "region", "aria-label": name }, make("code", {}, code)));
}

function snippets(sent) {
  // The page's own listener speaks HTTP; gRPC has another, whose shipped port this is.
  const places = { origin: location.origin, address: `${location.hostname}:50051`, secure: location.protocol === "https:" };
  const request = { ...sent, ...places, language: chosen(), photos: sent.photos.map((photo) => photo.name) };
  return [make("p", { class: "hint" }, say("snippet.hint")), snippet("curl", curl(request)), snippet("Python", python(request)),
    snippet("grpcurl", grpcurl(request))];
}

/** Elements for what was `sent`, which holds the `answer`. */
export function result(sent) {
  const { answer } = sent;
  return [
    make("h2", {}, say("result.title")),
    ...verdict(answer),
    ...part(say("result.reasons"), answer.reasons.length
      ? make("ol", {}, answer.reasons.map(({ text }) => make("li", {}, text)))
      : make("p", {}, say("result.no_reasons"))),
    ...(answer.missing.length || answer.degraded
      ? part(say("result.missing"), make("p", {}, say(answer.degraded ? "result.degraded" : "result.not_degraded")),
        make("ul", {}, answer.missing.map((entry) => make("li", {}, missingSentence(entry, title)))))
      : []),
    ...part(say("result.categories"), make("div", { class: "cards" }, answer.categories.map(category)),
      make("p", { class: "hint" }, say("result.priors"))),
    ...part(say("result.evidence"), ...evidence(sent)),
    ...(answer.legalBasis.length
      ? part(say("result.law"), make("p", { class: "hint" }, say("result.law_hint")), make("ul", {}, answer.legalBasis.map(law)))
      : []),
    ...part(say("result.times"), ...times(answer.timings), make("p", { class: "hint" }, say("result.times_hint"))),
    ...part(say("result.made_with"), ...versions(answer)),
    ...part(say("result.same_request"), ...snippets(sent)),
  ];
}
