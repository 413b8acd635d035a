#!/usr/bin/env python3
"""Writes the handbook's API reference, docs/{en,zh}/src/reference.md, from the contract: services, messages and enums with their
comments from proto/wildwarden/v1/*.proto, and what they are over HTTP from proto/src/generated/openapi.json.

    python3 scripts/reference.py            writes both pages
    python3 scripts/reference.py --check    writes nothing; fails where a page is not what the contract says

Comments stay as the contract has them, in English; the words around them are each page's own.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = "proto/wildwarden/v1"
FILES = ("risk.proto", "models.proto")
OPENAPI = ROOT / "proto" / "src" / "generated" / "openapi.json"

WORDS = {
    "en": {
        "title": "API reference",
        "and": " and ",
        "made": "Made from the contract by `scripts/reference.py`: every service, message and enum of {files}, and their paths over HTTP. "
        "Names are those of the contract; JSON over HTTP writes fields in camelCase, `requestId` for `request_id`, "
        "64-bit integers as strings and bytes in base64.",
        "language": "",
        "more": "How to call it stands under [Integrate](integrate.md), how to read an answer under [Read a rating](read.md).",
        "rpc": "| call | takes | answers | HTTP | |",
        "message": "| field | type | meaning |",
        "enum": "| value | number | meaning |",
        "http": "HTTP",
        "http_frame": "On the same port as gRPC, with the same keys, limits and admission. The header `x-timeout-ms` is the caller's deadline, "
        "in milliseconds from when the call comes. `GET /v1/openapi.json` answers all of this as OpenAPI 3.1.",
        "path": "| path | call | |",
        "status": "A refusal is a [`Problem`](#problem) with one of these statuses:",
        "statuses": "| status | when |",
        "schemas": "What is no message of the contract:",
        "risk.proto": "Listings",
        "models.proto": "Models",
    },
    "zh": {
        "title": "接口参考",
        "and": " 和 ",
        "made": "本页由 `scripts/reference.py` 根据契约生成：{files} 中的每个服务、消息和枚举，以及它们的 HTTP 路径。"
        "名称即契约中的名称；HTTP 的 JSON 中字段用小驼峰写法，`request_id` 写作 `requestId`，64 位整数写作字符串，字节用 base64 编码。",
        "language": "各项说明是契约中的注释，保留英文原文。",
        "more": "怎样调用见[接入](integrate.md)，怎样读返回结果见[读懂评级](read.md)。",
        "rpc": "| 调用 | 请求 | 返回 | HTTP | |",
        "message": "| 字段 | 类型 | 含义 |",
        "enum": "| 值 | 编号 | 含义 |",
        "http": "HTTP",
        "http_frame": "与 gRPC 共用一个端口，密钥、限制和准入规则相同。请求头 `x-timeout-ms` 是调用方的截止时间，单位毫秒，从调用到达时算起。"
        "`GET /v1/openapi.json` 返回以上全部内容的 OpenAPI 3.1 描述。",
        "path": "| 路径 | 调用 | |",
        "status": "拒绝时返回 [`Problem`](#problem)，状态码为下列之一：",
        "statuses": "| 状态码 | 情形 |",
        "schemas": "契约消息之外的结构：",
        "risk.proto": "商品信息",
        "models.proto": "模型",
    },
}

RPC = re.compile(r"rpc (\w+)\((stream )?(\w+)\) returns \((stream )?(\w+)\);")
FIELD = re.compile(r"(?:(repeated|optional) )?(map<\w+, \w+>|[\w.]+) (\w+) = \d+;")
VALUE = re.compile(r"(\w+) = (\d+);")
OPEN = re.compile(r"(service|message|enum|oneof) (\w+) \{(\})?")
PASSED_OVER = re.compile(r"(syntax|package|import|option)\b")


@dataclass
class Part:
    """A service, message or enum; or one of its calls, fields or values."""

    kind: str
    name: str
    comment: str
    type: str = ""
    answer: str = ""
    parts: list["Part"] = field(default_factory=list)


@dataclass
class Contract:
    """A file."""

    name: str
    comment: str
    parts: list[Part]


def parse(name: str, text: str) -> Contract:
    """Reads the part of the language that the contract is written in, and stops at anything else."""
    head, parts, comment, inside, oneof = "", [], [], None, ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("//"):
            comment.append(line.removeprefix("//").strip())
            continue
        before, comment = paragraphs(comment), []
        if not line or PASSED_OVER.match(line):
            head = head or before
        elif line == "}":
            inside, oneof = (inside, "") if oneof else (None, "")
        elif (found := OPEN.fullmatch(line)) and found[1] == "oneof":
            oneof = found[2]
        elif found:
            parts.append(Part(found[1], found[2], before))
            inside = None if found[3] else parts[-1]
        elif inside and inside.kind == "service" and (found := RPC.fullmatch(line)):
            takes, answers = ((stream or "") + of for stream, of in (found.group(2, 3), found.group(4, 5)))
            inside.parts.append(Part("rpc", found[1], before, takes, answers))
        elif inside and inside.kind == "message" and (found := FIELD.fullmatch(line)):
            label = f"oneof {oneof}" if oneof else found[1] or ""
            inside.parts.append(Part("field", found[3], before, f"{label} {found[2]}".strip()))
        elif inside and inside.kind == "enum" and (found := VALUE.fullmatch(line)):
            inside.parts.append(Part("value", found[1], before, found[2]))
        else:
            raise SystemExit(f"{CONTRACT}/{name}:{number}: this script does not know what that is: {line}")
    return Contract(name, head, parts)


def paragraphs(lines: list[str]) -> str:
    """Of a comment: lines joined, empty ones kept as the end of a paragraph."""
    return "\n\n".join(" ".join(block.split("\n")) for block in re.split(r"\n{2,}", "\n".join(lines).strip()))


def cell(text: str) -> str:
    return text.replace("\n\n", " ").replace("|", "\\|")


def said(comment: str) -> list[str]:
    return [comment, ""] if comment else []


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(header: str, rows: list[str]) -> list[str]:
    return [header, "|" + " --- |" * (header.count("|") - 1), *rows, ""]


class Page:
    """One language's page."""

    def __init__(self, language: str, contracts: list[Contract], openapi: dict) -> None:
        self.words, self.contracts, self.openapi = WORDS[language], contracts, openapi
        self.known = {part.name for contract in contracts for part in contract.parts if part.kind != "service"}
        self.headings: list[str] = []

    def text(self) -> str:
        files = self.words["and"].join(f"[`{contract.name}`](../../../{CONTRACT}/{contract.name})" for contract in self.contracts)
        lines = [*self.heading(1, self.words["title"]), self.words["made"].format(files=files), ""]
        if self.words["language"]:
            lines += [self.words["language"], ""]
        lines += [self.words["more"], ""]
        for contract in self.contracts:
            lines += [*self.heading(2, self.words[contract.name]), *said(contract.comment)]
            for part in contract.parts:
                lines += [*self.heading(3, f"`{part.name}`"), *said(part.comment), *self.parts(part)]
        return "\n".join([*lines, *self.http()]).rstrip() + "\n"

    def heading(self, level: int, title: str) -> list[str]:
        if title.lower() in self.headings:
            raise SystemExit(f"two headings would have one anchor: {title}")
        self.headings.append(title.lower())
        return [f"{'#' * level} {title}", ""]

    def parts(self, part: Part) -> list[str]:
        if part.kind == "service":
            paths = self.paths()
            rows = [row(f"`{rpc.name}`", self.type(rpc.type), self.type(rpc.answer), paths.get(rpc.answer, ""), cell(rpc.comment)) for rpc in part.parts]
            return table(self.words["rpc"], rows)
        if not part.parts:
            return []
        if part.kind == "enum":
            return table(self.words["enum"], [row(f"`{value.name}`", value.type, cell(value.comment)) for value in part.parts])
        return table(self.words["message"], [row(f"`{of.name}`", self.type(of.type), cell(of.comment)) for of in part.parts])

    def type(self, text: str) -> str:
        """A type, with a link where it is one of the contract's."""
        *labels, name = text.split(" ") if not text.startswith("map<") else [text]
        shown = f"[`{name}`](#{name.lower()})" if name in self.known else f"`{name}`"
        return f"`{' '.join(labels)}` {shown}" if labels else shown

    def paths(self) -> dict[str, str]:
        """By the message that is answered."""
        found = {}
        for path, verbs in self.openapi["paths"].items():
            for verb, operation in verbs.items():
                found[answered(operation)] = f"`{verb.upper()} {path}`"
        return found

    def http(self) -> list[str]:
        calls = {rpc.answer: rpc.name for contract in self.contracts for part in contract.parts for rpc in part.parts if rpc.kind == "rpc"}
        rows, statuses = [], {}
        for path, verbs in self.openapi["paths"].items():
            for verb, operation in verbs.items():
                call = calls.get(answered(operation))
                rows.append(row(f"`{verb.upper()} {path}`", f"`{call}`" if call else "", cell(operation["summary"])))
                for status, response in operation["responses"].items():
                    if "application/problem+json" in response["content"]:
                        statuses[status] = response["description"]
        lines = [*self.heading(2, self.words["http"]), self.words["http_frame"], "", *table(self.words["path"], rows)]
        lines += [self.words["status"], "", *table(self.words["statuses"], [row(status, cell(statuses[status])) for status in sorted(statuses)])]
        lines += [self.words["schemas"], ""]
        for name, schema in self.openapi["components"]["schemas"].items():
            if name not in self.known:
                rows = [row(f"`{key}`", self.schema(of), cell(of.get("description", ""))) for key, of in schema["properties"].items()]
                lines += [*self.heading(3, f"`{name}`"), *said(schema.get("description", "")), *table(self.words["message"], rows)]
        return lines

    def schema(self, of: dict) -> str:
        if "$ref" in of:
            return self.type(of["$ref"].rpartition("/")[2])
        if "enum" in of:
            return ", ".join(f"`{value}`" for value in of["enum"])
        return f"`array` {self.schema(of['items'])}" if of["type"] == "array" else f"`{of['type']}`"


def answered(operation: dict) -> str:
    (content,) = operation["responses"]["200"]["content"].values()
    return content["schema"]["$ref"].rpartition("/")[2]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail where a page is not what the contract says")
    check = arguments.parse_args().check
    contracts = [parse(name, (ROOT / CONTRACT / name).read_text(encoding="utf-8")) for name in FILES]
    openapi = json.loads(OPENAPI.read_text(encoding="utf-8"))
    stale = []
    for language in WORDS:
        path = ROOT / "docs" / language / "src" / "reference.md"
        text = Page(language, contracts, openapi).text()
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(str(path.relative_to(ROOT)))
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"not what the contract says: {', '.join(stale)}: run python3 scripts/reference.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
