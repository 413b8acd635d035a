import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { curl, grpcurl, python } from "../../src/server/console/snippets.js";

// What a seller might write to have it run by whoever copies the command.
const HOSTILE = "@/etc/passwd '; touch owned; $(touch owned) `touch owned` \\ \"\nLISTING\n${HOME}";
const asked = {
  title: HOSTILE, description: "", photos: ["a'b\"; $(touch owned).jpg"], options: { explainText: true, explainImages: false },
  origin: "http://127.0.0.1:50053", address: "127.0.0.1:50051", secure: false, hasKey: true,
};
/** What the command would be given, by a shell in which it and base64 only tell what they got. */
const TOLD = `curl() { printf '%s\\0' "$@"; }
grpcurl() { printf '%s\\0' "$@"; cat; }
base64() { printf bytes; }
touch() { printf OWNED; }
WILDWARDEN_KEY=secret
`;
const shell = (code) => execFileSync("bash", ["-c", TOLD + code], { encoding: "utf8" });

test("curl is given the words of the listing as they are, and none of them runs", () => {
  const given = shell(curl(asked)).split("\0").slice(0, -1);
  assert.deepEqual(given, ["-H", "authorization: Bearer secret", "--form-string", `title=${HOSTILE}`, "--form-string",
    'options={"explainText":true,"explainImages":false}', "-F", 'images=@"a\'b\\"; $(touch owned).jpg";filename=1',
    "http://127.0.0.1:50053/v1/listings:rate"]);
});

test("who reads Chinese asks for it", () => {
  const chinese = { ...asked, language: "zh" };
  assert.deepEqual(shell(curl(chinese)).split("\0").slice(2, 4), ["-H", "accept-language: zh"]);
  assert.deepEqual(shell(grpcurl(chinese)).split("\0").slice(3, 5), ["-H", "accept-language: zh"]);
});

test("grpcurl is given one message in JSON", () => {
  const given = shell(grpcurl(asked)).split("\0");
  assert.deepEqual(given.slice(0, -1), ["-plaintext", "-H", "authorization: Bearer secret", "-d", "@", "127.0.0.1:50051",
    "wildwarden.v1.RiskService/Classify"]);
  assert.deepEqual(JSON.parse(given.at(-1)),
    { title: HOSTILE, description: "", options: asked.options, images: [{ imageId: "1", content: "bytes" }] });
  assert.match(grpcurl({ ...asked, hasKey: false, secure: true }), /^grpcurl -d @/);
});

test("Python is given strings, and the key from the environment", () => {
  const program = python(asked);
  assert.ok(program.includes(`title=${JSON.stringify(HOSTILE)},`));
  assert.match(program, /explain_text=True, explain_images=False/);
  assert.match(program, /os\.environ\["WILDWARDEN_KEY"\]/);
  const plain = python({ ...asked, hasKey: false, secure: true });
  assert.doesNotMatch(plain, /WILDWARDEN_KEY|import os/);
  assert.match(plain, /secure_channel\("127\.0\.0\.1:50051", grpc\.ssl_channel_credentials\(\)\)/);
});
