// What was seen where: photos under their heat map, box and lines of words, and texts with the words that weighed. One choice of
// category serves them all.

import { draw, make, table, terms } from "./dom.js";
import { colours, peak } from "./heat.js";
import { cut, pieces } from "./highlight.js";
import { looksSentence } from "./sentences.js";
import { title } from "./server.js";
import { number, probability, say, sayAs, sayEnum } from "./texts.js";

/** What is shown: the layers are kept from one listing to the next, the category over a change of language. */
const shown = { of: null, category: null, heat: true, box: true, words: true };

const percent = (value) => say("unit.percent", { value: number(100 * value) });

/** Drawn twice, dark under light, so that it is seen on every photo. */
const outlined = (name, attributes, also = "") => ["halo", "line"].map((kind) => draw(name, { ...attributes, class: `${kind} ${also}` }));

function heat(heatMap) {
  const canvas = make("canvas", { width: heatMap.columns, height: heatMap.rows, "aria-hidden": "true" });
  canvas.getContext("2d").putImageData(new ImageData(colours(heatMap.values), heatMap.columns, heatMap.rows), 0, 0);
  return canvas;
}

/** In words what is painted over the photo. */
function painted({ heatMap, box, attribution }) {
  const strongest = heatMap?.values.length ? peak(heatMap) : null;
  const sentences = [
    strongest
      ? say("heat.peak", { ...strongest, rows: heatMap.rows, columns: heatMap.columns, value: number(strongest.value) })
      : say("heat.nothing"),
    sayEnum("ATTRIBUTION", attribution),
    box && say("heat.box", { left: percent(box.left), top: percent(box.top), right: percent(box.right), bottom: percent(box.bottom) }),
  ];
  return make("p", { class: "hint" }, sentences.filter(Boolean).join(say("reason.between")));
}

function picture(rating, sentPhoto, lines) {
  const explanation = rating.scores.find((score) => score.category === shown.category)?.explanation;
  const { heatMap, box } = explanation ?? {};
  const overlay = draw("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" },
    shown.box && box && outlined("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }),
    shown.words && lines.map((line) => outlined("polygon", { points: line.corners.map(({ x, y }) => `${x},${y}`).join(" ") }, "words")));
  return [
    make("div", { class: "picture" },
      make("img", { src: sentPhoto?.address ?? "", alt: say("photos.alternative", { id: rating.imageId, name: sentPhoto?.name ?? "" }) }),
      shown.heat && heatMap?.values.length ? heat(heatMap) : null, overlay),
    explanation && painted(explanation),
  ];
}

function photo(rating, { photos, answer }) {
  const sentPhoto = photos.find((one) => one.id === rating.imageId);
  const lines = answer.texts.find((text) => text.imageId === rating.imageId && text.written)?.written.lines ?? [];
  const scores = rating.scores.map((score) => [title(score.category), probability(score.probability), looksSentence(score.byLook)]);
  const labels = rating.labels.map((label) => `${sayAs("image_label", label.name)} ${probability(label.probability)}`);
  return make("article", { class: "card" },
    make("h4", {}, say("photos.alternative", { id: rating.imageId, name: sentPhoto?.name ?? "" })),
    picture(rating, sentPhoto, lines),
    terms([
      [say("photo.status"), sayEnum("IMAGE_STATUS", rating.status)],
      rating.width > 0 && [say("photo.size"), say("photo.pixels", { ...rating, format: rating.format })],
      rating.frames > 1 && [say("photo.frames"), rating.frames],
      [say("photo.looks"), rating.looks],
      [say("photo.cached"), say(rating.cached ? "photo.cached_yes" : "photo.cached_no")],
      labels.length > 0 && [say("photo.labels"), labels.join(say("reason.list"))],
    ]),
    scores.length > 0 && table(say("photo.scores"), [say("result.category"), say("result.probability"), say("look.each")], scores));
}

/** A piece that speaks for or against carries its sign, and the strong ones their number, so that colour is not needed. */
function piece({ text, value, strength, isTerm }) {
  if (!strength && !isTerm) return text;
  const side = strength ? (value > 0 ? "for" : "against") : "";
  const sign = value > 0 ? "+" : "−";
  return make("mark", { class: [side, side && `strength-${strength}`, isTerm && "term"].filter(Boolean).join(" ") }, text,
    side && make("sup", {}, strength > 1 ? `${sign}${number(Math.abs(value), 2)}` : sign));
}

function text(rating, sent) {
  const given = { TEXT_FIELD_TITLE: sent.title, TEXT_FIELD_DESCRIPTION: sent.description };
  const words = given[rating.field] ?? rating.written?.text ?? "";
  const score = rating.scores.find((one) => one.category === shown.category);
  const inPhoto = say("photo.words_in", { photo: say("photo.named", { id: rating.imageId }) });
  const heading = rating.written ? inPhoto : sayEnum("TEXT_FIELD", rating.field);
  const found = rating.terms.map((term) => say(term.obfuscated ? "term.hidden" : "term.open",
    { term: term.term, kind: sayEnum("TERM_KIND", term.kind), category: title(term.category), words: cut(words, term.span) }));
  const contacts = (rating.written?.contacts ?? []).map((contact) =>
    say("contact.found", { kind: sayEnum("CONTACT_KIND", contact.kind), words: cut(words, contact.span) }));
  const list = [...found, ...contacts];
  const heavy = [...(score?.tokens ?? [])].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution)).slice(0, 8);
  const lines = (rating.written?.lines ?? []).map((line) => [cut(words, line.span), number(line.confidence)]);
  return make("article", { class: "card" }, make("h4", {}, heading),
    make("p", { class: "words-read" }, pieces(words, score?.tokens ?? [], rating.terms).map(piece)),
    terms([
      [say("text.language"), sayEnum("LANGUAGE", rating.language)],
      [say("photo.looks"), rating.looks],
      score && [title(shown.category), probability(score.probability)],
      score && [say("look.each"), looksSentence(score.byLook)],
      heavy.length > 0 && [say("text.bias"), number(score.bias)],
    ]),
    list.length > 0 && make("ul", {}, list.map((sentence) => make("li", {}, sentence))),
    heavy.length > 0 && make("p", { class: "hint" }, sayEnum("ATTRIBUTION", score.attribution)),
    heavy.length > 0 && table(say("text.heaviest"), [say("text.word"), say("text.contribution")],
      heavy.map((token) => [cut(words, token.span), (token.contribution > 0 ? "+" : "") + number(token.contribution)])),
    lines.length > 0 && table(say("text.lines"), [say("text.line"), say("text.confidence")], lines));
}

export function evidence(sent) {
  const { answer } = sent;
  const names = answer.categories.map((one) => one.category);
  if (shown.of !== answer) {
    shown.of = answer;
    shown.category = [...answer.categories].sort((a, b) => b.probability - a.probability)[0]?.category;
  }
  const cards = make("div", { class: "cards" });
  const refresh = () => cards.replaceChildren(...answer.images.map((rating) => photo(rating, sent)),
    ...answer.texts.map((rating) => text(rating, sent)));
  const change = (name, value) => {
    shown[name] = value;
    refresh();
  };
  const choice = (name) => make("label", {},
    make("input", { type: "radio", name: "category", checked: name === shown.category, change: () => change("category", name) }), title(name));
  const layer = (name, words) => make("label", {},
    make("input", { type: "checkbox", checked: shown[name], change: (event) => change(name, event.target.checked) }), words);
  refresh();
  return [
    make("fieldset", {}, make("legend", {}, say("evidence.category")), names.map(choice)),
    answer.images.length > 0 && make("fieldset", {}, make("legend", {}, say("evidence.layers")), layer("heat", say("evidence.heat")),
      layer("box", say("evidence.box")), layer("words", say("evidence.words"))),
    make("p", { class: "hint" }, say("evidence.hint")),
    cards,
  ].filter(Boolean);
}
