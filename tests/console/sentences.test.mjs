import assert from "node:assert/strict";
import { test } from "node:test";
import { lawSentence, looksSentence, missingSentence, reasonSentence, refusalSentence } from "../../src/server/console/sentences.js";
import { fill } from "../../src/server/console/texts.js";
import { found, speak } from "./texts.mjs";

const title = (name) => ({ ivory: "Ivory" })[name] ?? name;
const reason = (code, given, category = "ivory") => reasonSentence({ code: `REASON_CODE_${code}`, category, arguments: given }, title);
const missing = (entry) => missingSentence(entry, title);

test("a reason is a sentence with its arguments", () => {
  speak("en");
  assert.equal(reason("TEXT_EVIDENCE", { field: "title", probability: "0.9992", words: "象牙, 老" }),
    "Ivory: the title speaks for it. Words that weighed most: 象牙, 老. Probability by itself: 0.9992.");
  assert.equal(reason("TEXT_EVIDENCE", { field: "image", image_id: "2", probability: "0.6" }),
    "Ivory: the text in photo 2 speaks for it. Probability by itself: 0.6.");
  assert.match(reason("IMAGE_UNREADABLE", { image_id: "1", status: "truncated" }, ""), /photo 1.*the file ends too early/);
  assert.match(reason("CONTACT_IN_IMAGE", { image_id: "1", kind: "wechat" }, ""), /photo 1: WeChat/);
});

test("every reason has all that its sentence needs, in both languages", () => {
  const given = {
    image_id: "1", probability: "0.9", field: "title", words: "a", term: "b", image_probability: "0.1", text_probability: "0.9",
    status: "corrupt", model: "m", kind: "qq",
  };
  for (const language of ["en", "zh"]) {
    speak(language);
    const codes = Object.keys(found(language)).filter((key) => key.startsWith("reason_code."));
    assert.equal(codes.length, 19);
    for (const code of codes) assert.doesNotMatch(reason(code.replace("reason_code.", "").toUpperCase(), given), /[{}]|undefined/);
  }
});

test("a code that is not known is named with its arguments, and braces in data stay braces", () => {
  speak("en");
  assert.equal(reason("NEW_ONE", { term: "x" }), "REASON_CODE_NEW_ONE (term=x)");
  assert.match(reason("CLAIM_TERM", { field: "title", term: "{category}" }), /“\{category\}”/);
  assert.equal(fill("{a} {b} {c}", { a: "{b}", b: 1 }), "{b} 1 {c}");
});

test("every form of what is missing is a sentence", () => {
  speak("en");
  for (const [entry, said] of [
    ["image", "No photo was rated."],
    ["image:2", "The models could not rate photo 2."],
    ["image:a:b:look:busy", "A further look at photo a:b was left out: too much was waiting."],
    ["image:1:words:budget", "What is written in photo 1 was not read: the share that may take one was used up."],
    ["image:1:frames_left_out", "Not every part of the animation photo 1 was looked at."],
    ["text:title", "The title was not rated."],
    ["text:description:look:absent", "A further look at the description was left out: no model for it serves."],
    ["text:language", "A text is in a language that the models do not read."],
    ["model:ivory", "The model ivory did not take part."],
    ["category:ivory", "No model in service rates Ivory."],
    ["tensor:x", "Left out: tensor:x"],
  ]) assert.equal(missing(entry), said);
});

test("a refusal says what to do, by its reason or at least its status", () => {
  speak("en");
  const refusal = (given) => refusalSentence({ status: 500, reason: "", retryAfterMs: 0, ...given });
  assert.match(refusal({ status: 401, reason: "UNAUTHENTICATED" }), /“Key” at the top/);
  assert.equal(refusal({ reason: "QUEUE_FULL", retryAfterMs: 1200 }), "The server is full: too much waits. Try again in 2 s.");
  assert.equal(refusal({ status: 418 }), "The server refused (status 418).");
  assert.equal(refusal({ status: 418, reason: "TEAPOT" }), "The server refused (status 418).");
});

test("a law that the texts do not know is told in the policy's words", () => {
  speak("zh");
  assert.match(lawSentence({ id: "wapl-2022-33" }), /第三十三条/);
  assert.equal(lawSentence({ id: "own-1", instrument: "A", article: "", summary: "B" }), "A · B");
});

test("looks are told in their order", () => {
  speak("en");
  assert.equal(looksSentence([0.81, 0.93125]), "0.8100 → 0.9313");
  assert.equal(looksSentence([]), "one look");
});
