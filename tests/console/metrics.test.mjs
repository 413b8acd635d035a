import assert from "node:assert/strict";
import { test } from "node:test";
import { path, summary } from "../../src/server/console/chart.js";
import { bucketGrowth, growth, parse, quantile, shares, sums } from "../../src/server/console/metrics.js";

const PAGE = `# HELP wildwarden_requests Calls answered, by RPC and gRPC code.
# TYPE wildwarden_requests counter
wildwarden_requests_total{rpc="Classify",code="OK"} 10
wildwarden_requests_total{rpc="ClassifyBatch",code="OK"} 5
wildwarden_requests_total{rpc="Classify",code="RESOURCE_EXHAUSTED"} 1
wildwarden_model_info{model="a \\"b\\" {c}, d\\\\e\\nf",version="1"} 1
wildwarden_stage_duration_seconds_bucket{le="0.1",stage="decode"} 2
wildwarden_stage_duration_seconds_bucket{le="0.2",stage="decode"} 6
wildwarden_stage_duration_seconds_bucket{le="+Inf",stage="decode"} 8 # {trace="x"} 0.3
wildwarden_queue_jobs 7
wildwarden_candidate_share 0.25
# EOF
`;
const code = (labels) => labels.code;

test("a page is read with its labels, whatever stands in them, and without its comments", () => {
  const page = parse(PAGE);
  assert.equal(page.size, 5);
  assert.equal(page.get("wildwarden_model_info")[0].labels.model, 'a "b" {c}, d\\e\nf');
  assert.deepEqual(page.get("wildwarden_queue_jobs"), [{ labels: {}, value: 7 }]);
  assert.equal(page.get("wildwarden_candidate_share")[0].value, 0.25);
  assert.equal(page.get("wildwarden_stage_duration_seconds_bucket")[2].value, 8);
});

test("samples are summed over the labels that are not asked for", () => {
  assert.deepEqual([...sums(parse(PAGE), "wildwarden_requests_total", code)], [["OK", 15], ["RESOURCE_EXHAUSTED", 1]]);
  assert.deepEqual([...sums(parse(PAGE), "nothing", code)], []);
});

test("a counter that fell began anew, and one that is new grew from nothing", () => {
  const before = parse('x_total{code="A"} 10\nx_total{code="B"} 3');
  const after = parse('x_total{code="A"} 4\nx_total{code="B"} 5\nx_total{code="C"} 2');
  const grown = growth(before, after, "x_total", code);
  assert.deepEqual([...grown], [["A", 4], ["B", 2], ["C", 2]]);
  assert.deepEqual([...shares(grown).values()], [0.5, 0.25, 0.25]);
  assert.equal(shares(growth(after, after, "x_total", code)).size, 0);
});

test("quantiles are interpolated within their bucket, and bounded where the last one is open", () => {
  const buckets = [...bucketGrowth(new Map(), parse(PAGE), "wildwarden_stage_duration_seconds", (labels) => labels.stage === "decode")];
  assert.deepEqual(buckets, [[0.1, 2], [0.2, 6], [Infinity, 8]]);
  assert.ok(Math.abs(quantile(0.5, buckets) - 0.15) < 1e-12);
  assert.ok(Math.abs(quantile(0.125, buckets) - 0.05) < 1e-12);
  assert.equal(quantile(0.95, buckets), 0.2);
  assert.equal(quantile(0.5, []), null);
  assert.equal(quantile(0.5, [[0.1, 0], [Infinity, 0]]), null);
  // The order in which they stand does not count.
  assert.equal(quantile(0.5, [...buckets].reverse()), quantile(0.5, buckets));
});

test("a line breaks where nothing is known, and its numbers leave that out", () => {
  assert.equal(path([0, 10, null, 5], 10), "M0.0 96.0L100.0 14.0M300.0 55.0");
  assert.equal(path([0], 0), "M0.0 96.0");
  assert.deepEqual(summary([null, 3, 1, 2]), { last: 2, least: 1, most: 3 });
  assert.equal(summary([null, undefined]), null);
});
