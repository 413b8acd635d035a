// The page that rates one listing: what is asked, and what comes back.

import { call, key, refusalOf, Refusal } from "./api.js";
import { announce, find, make } from "./dom.js";
import { notice } from "./notice.js";
import { base64, chosenPhotos, renderPhotos, startPhotos } from "./photos.js";
import { result } from "./result.js";
import { refusalSentence } from "./sentences.js";
import { chosen, probability, say, sayEnum } from "./texts.js";

const PATH = "v1/listings:rate";
let busy = false;
/** What was sent and what came: an answer or a refusal. It outlives a change of language, and of what stands in the form. */
let last = null;

function rate() {
  if (busy || refusalOf(PATH)) return;
  last?.photos.forEach((photo) => URL.revokeObjectURL(photo.address));
  const options = { explainText: find("explain-text").checked, explainImages: find("explain-images").checked };
  const [title, description] = [find("title").value, find("description").value];
  const photos = chosenPhotos().map(({ file }, index) =>
    ({ id: String(index + 1), file, name: file.name, address: URL.createObjectURL(file) }));
  last = { title, description, options, photos, hasKey: Boolean(key()) };
  ask();
}

/** Sends what is in `last`, which then has what came. */
async function ask() {
  busy = true;
  Object.assign(last, { language: chosen(), answer: null, refusal: null });
  render();
  announce(say("try.rating"));
  const { title, description, options, photos } = last;
  try {
    const contents = await Promise.all(photos.map((photo) => base64(photo.file)));
    const images = photos.map((photo, index) => ({ imageId: photo.id, content: contents[index] }));
    last.answer = await call(PATH, { title, description, images, options });
  } catch (problem) {
    // A file that is gone since it was chosen cannot be read.
    last.refusal = problem instanceof Refusal ? problem : new Refusal(0, { reason: "FILE_UNREADABLE" });
  }
  busy = false;
  render();
  if (busy) return;
  announce(last.answer ? spoken(last.answer) : refusalSentence(last.refusal));
  find("result").querySelector("h2")?.scrollIntoView({ block: "nearest" });
}

const spoken = ({ suggestion, level, risk }) =>
  say("try.rated", { suggestion: sayEnum("SUGGESTION", suggestion), level: sayEnum("LEVEL", level), risk: probability(risk) });

function render() {
  // The server writes the sentences: in another language they are asked for anew.
  if (!busy && last?.answer && last.language !== chosen()) {
    ask();
    return;
  }
  renderPhotos();
  const [button, hint, forbidden] = [find("rate"), find("rate-hint"), refusalOf(PATH)];
  // Not `disabled`: that would take the keyboard's place away while it works.
  button.setAttribute("aria-disabled", String(busy || Boolean(forbidden)));
  button.textContent = say(busy ? "try.rating" : "try.rate");
  hint.textContent = forbidden ? refusalSentence(forbidden) : say("try.shortcut");
  find("result").setAttribute("aria-busy", String(busy));
  const parts = [];
  if (last?.answer) parts.push(...result(last));
  if (last?.refusal) parts.push(make("h2", {}, say("result.refused")), notice(last.refusal));
  find("result").replaceChildren(...(busy ? [] : parts));
}

function start() {
  startPhotos();
  find("listing").addEventListener("submit", (event) => {
    event.preventDefault();
    rate();
  });
  find("page-try").addEventListener("keydown", (event) => {
    // While an input method composes, Enter is its own.
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      rate();
    }
  });
}

export const tryPage = { start, show: render, hide() {}, render };
