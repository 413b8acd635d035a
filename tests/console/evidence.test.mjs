import assert from "node:assert/strict";
import { test } from "node:test";
import { colours, peak, strengths } from "../../src/server/console/heat.js";
import { cut, pieces } from "../../src/server/console/highlight.js";

const span = (charStart, charEnd) => ({ charStart, charEnd });

test("a heat map is scaled by its peak, but a weak one stays weak, and what speaks against is clear", () => {
  assert.deepEqual(strengths([4, 2, 0, -3]), [1, 0.5, 0, 0]);
  assert.deepEqual(strengths([0.25, -1]), [0.25, 0]);
  // As JSON carries what is no number.
  assert.deepEqual(strengths(["NaN", 1, "-Infinity"]), [0, 1, 0]);
});

test("cells get darker and more opaque together", () => {
  const bytes = colours([4, 2, -1]);
  assert.equal(bytes.length, 12);
  const [strong, half, none] = [bytes.slice(0, 4), bytes.slice(4, 8), bytes.slice(8)];
  assert.equal(none[3], 0);
  assert.ok(strong[3] > half[3] && half[3] > 0 && strong[3] < 200);
  assert.ok(strong[0] < half[0] && strong[1] < half[1]);
});

test("the peak is named by row and column, and a map in which nothing speaks has none", () => {
  assert.deepEqual(peak({ rows: 2, columns: 3, values: [0, 1, 0, 0, 0, 5] }), { row: 2, column: 3, value: 5 });
  assert.equal(peak({ rows: 1, columns: 2, values: [-1, 0] }), null);
});

test("spans count characters and not UTF-16 units", () => {
  assert.equal(cut("🐘🦷象牙", span(1, 3)), "🦷象");
  const found = pieces("🐘象牙", [{ span: span(1, 3), contribution: 2 }], []);
  assert.deepEqual(found.map((piece) => [piece.text, piece.value, piece.strength]), [["🐘", 0, 0], ["象牙", 2, 3]]);
});

test("pieces hold the whole text and add up to what the tokens contribute, also where these overlap", () => {
  const tokens = [{ span: span(0, 4), contribution: 2 }, { span: span(2, 6), contribution: -3 }];
  const found = pieces("abcdefgh", tokens, [{ span: span(6, 7) }]);
  assert.equal(found.map((piece) => piece.text).join(""), "abcdefgh");
  assert.ok(Math.abs(found.reduce((sum, piece) => sum + piece.value, 0) + 1) < 1e-12);
  assert.deepEqual(found.map((piece) => piece.isTerm), [false, false, false, true, false]);
  assert.deepEqual(found.map((piece) => Math.sign(piece.value)), [1, -1, -1, 0, 0]);
});

test("a text that nothing explains is one piece, and an empty one none", () => {
  assert.deepEqual(pieces("ab", [], []), [{ text: "ab", value: 0, isTerm: false, strength: 0 }]);
  assert.deepEqual(pieces("", [], []), []);
});
