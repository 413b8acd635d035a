// The request of the page as commands and a program to copy. Texts and file names are somebody else's words: each is quoted for what
// reads it, so that none becomes a command. Keys are never written down: they come from the environment.

/** For a POSIX shell. */
export const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
/** In a here-document that expands: there a shell reads these three alone. */
const hereQuoted = (text) => text.replace(/[\\$`]/g, "\\$&");
/** JSON's strings are Python's, too. */
const pythonQuoted = JSON.stringify;
const KEY = '"authorization: Bearer $WILDWARDEN_KEY"';
const CHINESE = "'accept-language: zh'";

/** `photos` are names of files, `options` as in JSON; `secure`: the page came over TLS, and so do calls. */
export function curl({ title, description, photos, options, hasKey, language, origin }) {
  // --form-string, since -F would read a title that begins with @ as the name of a file.
  const texts = Object.entries({ title, description, options: JSON.stringify(options) }).filter(([, text]) => text);
  const named = (name) => `@"${name.replace(/["\\]/g, "\\$&")}"`;
  return [
    "curl",
    ...(hasKey ? [`-H ${KEY}`] : []),
    ...(language === "zh" ? [`-H ${CHINESE}`] : []),
    ...texts.map(([name, text]) => `--form-string ${shellQuoted(`${name}=${text}`)}`),
    ...photos.map((name, index) => `-F ${shellQuoted(`images=${named(name)};filename=${index + 1}`)}`),
    shellQuoted(`${origin}/v1/listings:rate`),
  ].join(" \\\n  ");
}

export function grpcurl({ title, description, photos, options, hasKey, language, address, secure }) {
  const head = hereQuoted(JSON.stringify({ title, description, options })).slice(0, -1);
  const images = photos.map((name, index) =>
    `{"imageId": "${index + 1}", "content": "$(base64 -w0 ${shellQuoted(name)})"}`);
  const flags = `${secure ? "" : "-plaintext "}${hasKey ? `-H ${KEY} ` : ""}${language === "zh" ? `-H ${CHINESE} ` : ""}`;
  return `grpcurl ${flags}-d @ ${address} wildwarden.v1.RiskService/Classify <<LISTING
${head},"images":[${images.join(",\n")}]}
LISTING`;
}

export function python({ title, description, photos, options, hasKey, address, secure }) {
  const images = photos.map((name, index) =>
    `        risk_pb2.Image(image_id="${index + 1}", content=open(${pythonQuoted(name)}, "rb").read()),\n`);
  const truth = (value) => (value ? "True" : "False");
  const key = hasKey ? ['key = [("authorization", "Bearer " + os.environ["WILDWARDEN_KEY"])]\n', ", metadata=key"] : ["", ""];
  const channel = secure
    ? `grpc.secure_channel("${address}", grpc.ssl_channel_credentials())`
    : `grpc.insecure_channel("${address}")`;
  return `# python -m grpc_tools.protoc -Iproto --python_out=. --grpc_python_out=. wildwarden/v1/risk.proto
${hasKey ? "import os\n\n" : ""}import grpc
from wildwarden.v1 import risk_pb2, risk_pb2_grpc

listing = risk_pb2.ClassifyRequest(
    title=${pythonQuoted(title)},
    description=${pythonQuoted(description)},
    images=[
${images.join("")}    ],
    options=risk_pb2.Options(explain_text=${truth(options.explainText)}, explain_images=${truth(options.explainImages)}),
)
stub = risk_pb2_grpc.RiskServiceStub(${channel})
${key[0]}rating = stub.Classify(listing, timeout=10${key[1]})
print(rating.risk, risk_pb2.Level.Name(rating.level), risk_pb2.Suggestion.Name(rating.suggestion))`;
}
