// From codes to sentences: what is missing, refusals, laws; reasons come as sentences. `title` gives a category's title.

import { probability, say, sayAs } from "./texts.js";

const photo = (id) => say("photo.named", { id });
const place = (field) => sayAs("text_field", field);

/** An entry of `missing`. */
export function missingSentence(entry, title) {
  const [, image, ofImage, whyOfImage] = /^image:(.*?)(?::(frames_left_out|damaged|look|words)(?::(\w+))?)?$/s.exec(entry) ?? [];
  if (image !== undefined) {
    return sayAs("missing", `image_${ofImage ?? "whole"}`, { photo: photo(image), why: sayAs("left_out", whyOfImage) });
  }
  const [, field, look, whyOfText] = /^text:(title|description)(?::(look):(\w+))?$/.exec(entry) ?? [];
  if (field) return sayAs("missing", `text_${look ?? "whole"}`, { place: place(field), why: sayAs("left_out", whyOfText) });
  const [, what, name] = /^(model|category):(.*)$/s.exec(entry) ?? [];
  if (what) return sayAs("missing", what, { name: what === "category" ? title(name) : name });
  const plain = { image: "missing.no_image", text: "missing.no_text", "text:language": "missing.language" }[entry];
  return plain ? say(plain) : say("missing.unknown", { entry });
}

/** What became of a call that was refused, and what to do. What the server says in its own words stands beside it. */
export function refusalSentence(refusal) {
  const key = refusal.reason.toLowerCase();
  const known = sayAs("refusal", key);
  const sentence = key && known !== key ? known : say("refusal.unknown", { status: refusal.status });
  const later = refusal.retryAfterMs > 0 ? say("refusal.retry", { seconds: Math.ceil(refusal.retryAfterMs / 1000) }) : null;
  return [sentence, later].filter(Boolean).join(say("reason.between"));
}

/** The texts know the shipped laws by their stable ids; of others the policy's own words are shown. */
export function lawSentence({ id, instrument, article, summary }) {
  const known = sayAs("law", id);
  return known === id ? [instrument, article, summary].filter(Boolean).join(" · ") : known;
}

/** By category and look: "0.8100 → 0.9312"; one look has said it all. */
export const looksSentence = (byLook) => (byLook?.length > 1 ? byLook.map(probability).join(" → ") : say("look.one"));
