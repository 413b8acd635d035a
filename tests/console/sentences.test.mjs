import assert from "node:assert/strict";
import { test } from "node:test";
import { lawSentence, looksSentence, missingSentence, refusalSentence } from "../../src/server/console/sentences.js";
import { fill } from "../../src/server/console/texts.js";
import { speak } from "./texts.mjs";

const title = (name) => ({ ivory: "Ivory" })[name] ?? name;
const missing = (entry) => missingSentence(entry, title);

test("braces in data stay braces", () => {
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
