// A refusal as people read it: in a sentence, and in what the server says in its own words, which are English.

import { make } from "./dom.js";
import { refusalSentence } from "./sentences.js";
import { locale, say } from "./texts.js";

export const serverWords = (words) => words && make("q", { lang: locale("en") }, words);

export const notice = (refusal) =>
  make("div", { class: "notice" }, make("p", {}, refusalSentence(refusal)),
    refusal.message && make("p", { class: "hint" }, say("refusal.server_says"), " ", serverWords(refusal.message)));
