import assert from "node:assert/strict";
import { after, test } from "node:test";
import { open } from "./page.mjs";
import { found } from "./texts.mjs";

const INFO = {
  version: "1.0.0", policy: { version: "7", sha256: "ab".repeat(32) }, models: [],
  limits: { maxImages: 2, maxImageBytes: "2097152" },
  categories: [{ name: "ivory", titles: { en: "Ivory", zh: "象牙" }, descriptions: { en: "Raw or worked.", zh: "原料及其制品。" } }],
};
const SPAN = { byteStart: 3, byteEnd: 9, charStart: 1, charEnd: 3 };
const EXPLANATION = {
  heatMap: { rows: 1, columns: 2, values: [2.5, -1] }, box: { left: 0, top: 0, right: 0.5, bottom: 1 }, attribution: "ATTRIBUTION_EXACT",
};
const CORNERS = [{ x: 0, y: 0 }, { x: 1, y: 0 }, { x: 1, y: 1 }, { x: 0, y: 1 }];
const SCORE = { category: "ivory", probability: 0.9312, byLook: [0.81, 0.9312] };
const RATING = {
  requestId: "req-1", listingId: "", risk: 0.8858, level: "LEVEL_CRITICAL", suggestion: "SUGGESTION_REVIEW", degraded: true,
  categories: [{
    category: "ivory", probability: 0.8858, imageProbability: 0.9312, textProbability: null, level: "LEVEL_CRITICAL", bestImageId: "1",
    unrated: false,
  }],
  images: [{
    imageId: "1", status: "IMAGE_STATUS_OK", message: "", format: "png", width: 4, height: 2, frames: 1, cached: false, looks: 2, sha256: "",
    labels: [{ name: "live_animal", probability: 0.02 }],
    scores: [{ ...SCORE, explanation: EXPLANATION }],
  }],
  texts: [
    {
      field: "TEXT_FIELD_TITLE", language: "LANGUAGE_CHINESE", looks: 1, imageId: "", written: null,
      scores: [{
        category: "ivory", probability: 0.9, byLook: [], bias: -1.5, attribution: "ATTRIBUTION_EXACT",
        tokens: [{ span: SPAN, token: "象牙", contribution: 3 }],
      }],
      terms: [{ span: SPAN, term: "象牙", kind: "TERM_KIND_CLAIM", category: "ivory", obfuscated: false }],
    },
    {
      field: "TEXT_FIELD_IMAGE", language: "LANGUAGE_CHINESE", looks: 1, imageId: "1", scores: [], terms: [],
      written: {
        text: "微信abc", lines: [{ span: { charStart: 0, charEnd: 5 }, corners: CORNERS, confidence: 0.99 }],
        contacts: [{ kind: "CONTACT_KIND_WECHAT", span: { charStart: 2, charEnd: 5 } }],
      },
    },
  ],
  legalBasis: [{ id: "wapl-2022-33", instrument: "A", article: "B", inForceSince: "2023-05-01", summary: "C", unverified: false }],
  missing: ["image:1:words:budget"],
  models: [{ name: "ivory", version: "1", sha256: "cd".repeat(32) }], policy: INFO.policy,
  timings: { queueWaitUs: "10", decodeUs: "354", totalUs: "12500" }, ratedAt: "2026-01-02T03:04:05Z",
};
/** Sentences are written by the server. */
const SAID = { "zh-CN": "象牙：照片1指向该类别。", en: "Ivory: photo 1 speaks for it." };
const rating = (language) => ({ ...RATING, reasons: [{ code: "REASON_CODE_IMAGE_EVIDENCE", text: SAID[language] }] });
const MODEL = { name: "ivory", version: "1", sha256: "cd".repeat(32) };
const STATUS = {
  generation: "3", policy: INFO.policy, policyProblem: "", waiting: [], loading: "", set: { name: "default", sha256: "ef".repeat(32) },
  models: [{
    name: "ivory",
    versions: [{ ...MODEL, state: "VERSION_STATE_SERVING", labels: ["stable"], reason: "", retryInMs: "0", heldBack: false }],
  }],
  candidate: { trial: "VERSION_STATE_SHADOW", share: 0.1, models: [MODEL], policy: INFO.policy, set: null },
  previous: [MODEL], previousPolicy: INFO.policy, previousSet: null,
  sets: [{ name: "default", summary: "", state: "VERSION_STATE_SERVING", reason: "" }],
};
const REPORT = {
  compared: "1000", agreed: "990", faults: "0", dropped: "1", stable: { p50Us: "1200", p99Us: "5000" }, candidate: { p50Us: "1300", p99Us: "6000" },
  shifts: [{ category: "ivory", mean: 0.01, p99: 0.2, max: 0.3, signedMean: -0.001 }],
  transitions: [{ stable: "SUGGESTION_PASS", candidate: "SUGGESTION_REVIEW", listings: "10" }],
  flips: [{
    listingId: "42", requestId: "r", stable: "SUGGESTION_PASS", candidate: "SUGGESTION_REVIEW", stableRisk: 0.01, candidateRisk: 0.2,
    category: "ivory", reason: "REASON_CODE_CODE_WORD",
  }],
};
let ok = 0;
const metrics = () => {
  ok += 20;
  return `wildwarden_requests_total{rpc="Classify",code="OK"} ${ok}
wildwarden_listings_rated_total{suggestion="review"} ${ok}
wildwarden_looks_total{modality="images",look="2",outcome="busy"} ${ok}
wildwarden_image_cache_lookups_total{outcome="hit"} ${ok}
wildwarden_stage_duration_seconds_bucket{le="0.001",stage="decode"} ${ok}
wildwarden_stage_duration_seconds_bucket{le="+Inf",stage="decode"} ${ok}
wildwarden_stage_duration_seconds_count{stage="decode"} ${ok}
wildwarden_resident_memory_bytes 1048576
wildwarden_queue_jobs 4
`;
};

/** A server whose keys are "admin" and "reader"; the second may not rate, nor touch models. */
function server(path, { headers }) {
  const key = headers.Authorization?.slice("Bearer ".length);
  const refused = (status, reason) => ({ status, type: "application/problem+json", said: { reason, detail: "In English." } });
  if (path === "readyz") return { said: { status: "SERVING" } };
  if (key === undefined) return refused(401, "UNAUTHENTICATED");
  if (path === "v1/server") return { said: INFO };
  if (key !== "admin") return refused(403, "PERMISSION_DENIED");
  if (path === "v1/listings:rate") return { said: rating(headers["Accept-Language"]) };
  if (path === "metrics") return { said: metrics(), type: "application/openmetrics-text" };
  const rolledBack = { ...STATUS, candidate: null };
  return { said: { "v1/models": STATUS, "v1/models:report": REPORT, "v1/models:rollback": rolledBack }[path] };
}

const page = open(server);
const { find, calls } = page;
await import("../../src/server/console/console.js");
/** Until answers that are there at once have been dealt with. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
await settled();
const text = (id) => find(id).textContent;
async function go(hash) {
  globalThis.location.hash = hash;
  await page.fire("hashchange");
  await settled();
}
async function useKey(key) {
  find("key").value = key;
  await find("key-form").fire("submit");
  await settled();
}
/** Words of the page in Latin letters that are no data, by what a Chinese page may hold. */
const foreign = (id, data) => (text(id).match(/[A-Za-z]{3,}/g) ?? []).filter((word) => !data.includes(word));
const keys = Object.keys(found("en"));
/** Nothing is left unsaid: no value that is not there, and no key in the place of its text. */
function whole(id) {
  assert.doesNotMatch(text(id), /undefined|null|NaN|\[object/);
  assert.deepEqual(keys.filter((key) => text(id).includes(key)), []);
}
// Else its timer would keep the test from ending.
after(() => go("#/learn"));

test("a page begins in the browser's language, and says where a key is typed", async () => {
  assert.equal(page.root.lang, "zh-CN");
  assert.match(text("key-state"), /顶部的“密钥”栏/);
  assert.match(text("ready"), /可以评级/);
  await find("listing").fire("submit");
  await settled();
  assert.match(text("result"), /未评级.*顶部的“密钥”栏/s);
  const button = find("rate");
  assert.equal(button.attributes["aria-disabled"], "true");
  const asked = calls.length;
  await find("listing").fire("submit");
  assert.equal(calls.length, asked, "what was refused for want of a key is not asked again");
});

test("a key that may not rate disables that alone, and stays in the session", async () => {
  await useKey("no spaces allowed here");
  assert.match(text("key-state"), /没有空格/);
  await useKey("reader");
  assert.equal(globalThis.sessionStorage.held.get("wildwarden.key"), "reader");
  assert.equal(globalThis.localStorage.held.size, 0);
  assert.match(text("photos-hint"), /最多 2 张/);
  assert.equal(find("rate").attributes["aria-disabled"], "false");
  await find("listing").fire("submit");
  await settled();
  assert.equal(find("rate").attributes["aria-disabled"], "true");
  assert.match(text("rate-hint"), /无权/);
});

test("photos are taken up to the limits, and can be removed", async () => {
  await useKey("admin");
  const file = (name, size = 10, type = "image/png") => ({ name, size, type, base64: "AAAA" });
  find("photos-input").files = [file("a.png"), file("big.png", 3e6), file("b.txt", 1, "text/plain"), file("b.png"), file("c.png")];
  await find("photos-input").fire("change");
  assert.match(text("photos-problem"), /big\.png.*b\.txt.*c\.png/s);
  await find("photos").querySelectorAll("button")[1].fire("click");
  assert.deepEqual(find("photos").querySelectorAll("img").map((image) => image.attributes.src), ["blob:a.png"]);
});

test("a rating is shown whole, in one language, with what was painted over the photo", async () => {
  find("title").value = "老象牙手串";
  find("explain-text").checked = find("explain-images").checked = true;
  await find("page-try").fire("keydown", { key: "Enter", ctrlKey: true });
  await settled();
  const sent = JSON.parse(calls.findLast((call) => call.path === "v1/listings:rate").body);
  assert.deepEqual(sent, {
    title: "老象牙手串", description: "", images: [{ imageId: "1", content: "AAAA" }], options: { explainText: true, explainImages: true },
  });
  whole("result");
  for (const said of ["0.8858", "人工复核", "极高", "0.8100 → 0.9312", "第 1 行", "第三十三条", "未读取照片1中的文字", "象牙", "abc", "WILDWARDEN_KEY"])
    assert.ok(text("result").includes(said), said);
  assert.match(text("announcement"), /建议：人工复核/);
  const canvas = find("result").querySelector("canvas");
  assert.equal(canvas.painted.bytes.length, 8);
  assert.deepEqual(find("result").querySelectorAll("rect").at(-1).attributes.width, "0.5");
  const heat = find("result").querySelectorAll("input").find((input) => input.attributes.type === "checkbox");
  heat.checked = false;
  await heat.fire("change");
  assert.equal(find("result").querySelector("canvas"), null);
  const mark = find("result").querySelector("mark");
  assert.match(mark.attributes.class, /for strength-3 term/);
  assert.match(mark.textContent, /象牙.*\+3/);
});

test("another language changes every word of the page, and is remembered", async () => {
  await find("language").fire("click");
  await settled();
  assert.equal(globalThis.localStorage.held.get("wildwarden.language"), "en");
  whole("result");
  assert.match(text("result"), /Ivory: photo 1 speaks for it\./);
  const data = /老象牙手串|象牙|微信abc|老|手串|微信/g;
  assert.doesNotMatch(text("result").replace(data, ""), /[\u3400-\u9fff]/);
  await find("language").fire("click");
  await settled();
  const words = ["cdcdcdcd", "abababab", "png", "logit", "wapl", "req", "ivory", "abc", "curl", "Python", "grpcurl", "WILDWARDEN", "KEY", "gRPC"];
  const program = find("result").querySelectorAll("pre").map((node) => node.textContent).join(" ");
  assert.deepEqual(foreign("result", words).filter((word) => !program.includes(word)), []);
});

test("models are shown with a trial, and roll back after a second question", async () => {
  await go("#/models");
  whole("models");
  assert.match(text("models"), /影子.*990.*42/s);
  assert.deepEqual(foreign("models", ["ivory", "default", "stable", "cdcdcdcd", "abababab", "efefefef", "code", "word"]), []);
  const button = find("models").querySelectorAll("button").at(-1);
  assert.equal(button.disabled, undefined);
  await button.fire("click");
  assert.equal(find("roll-back").open, true);
  assert.ok(!calls.some((call) => call.path === "v1/models:rollback"));
  await find("roll-back-yes").fire("click");
  await settled();
  assert.equal(calls.filter((call) => call.path === "v1/models:rollback" && call.method === "POST" && call.body === "{}").length, 1);
  await useKey("reader");
  assert.match(text("models"), /无权/);
  assert.equal(find("models").querySelectorAll("button").at(-1).disabled, true);
});

test("live lines come from two looks at the counters, and stop when nobody sees them", async () => {
  await useKey("admin");
  await go("#/live");
  assert.match(text("live-state"), /两次读数/);
  await page.fire("visibilitychange");
  await settled();
  whole("live");
  assert.match(text("live"), /解码照片.*p50.*p95/s);
  assert.match(text("live"), /照片，第 2 次：略过（繁忙）/);
  assert.match(text("live"), /1 MiB/);
  globalThis.document.hidden = true;
  await page.fire("visibilitychange");
  const asked = calls.length;
  await find("live-pause").fire("click");
  await go("#/learn");
  await settled();
  assert.equal(calls.length, asked);
});

test("the page for training has its sections, and the categories in the policy's words", () => {
  whole("learn");
  assert.equal(find("learn").querySelectorAll("h2").length, 7);
  assert.match(text("learn"), /象牙 原料及其制品。/);
  assert.match(globalThis.document.title, /如何阅读评级/);
});
