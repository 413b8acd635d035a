"""Writes a software bill of materials of this tree: CycloneDX 1.6, JSON.

    sbom.py [--metadata METADATA] [--linked LINKED] [OUT]

Listed are the packages of Cargo.lock with their hashes, the wheels that scripts/setup.sh and scripts/models/fetch.sh pin, what
these fetch to make models with, and the models that are served with the hash of their graph. Everything is read from the files
that pin it, so the list cannot differ from what is built. METADATA is what `cargo metadata` prints: it adds licences, and
libjpeg-turbo, whose source lies inside a package. LINKED is what `cargo tree --prefix depth --no-dedupe` prints: packages that
are in the program are marked as required, the others as excluded, for they build or test something or belong to another system.
OUT: standard output unless given. Two runs on one tree give the same bytes; the time in it is SOURCE_DATE_EPOCH, or none. Needs
Python 3.11, nothing else.
"""

import argparse
import datetime
import json
import os
import re
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHA256 = "[0-9a-f]{64}"
Component = dict[str, object]


def sha256(digest: str) -> list[dict[str, str]]:
    """A hash as CycloneDX has it."""
    return [{"alg": "SHA-256", "content": digest}]


def licences(text: str) -> list[dict[str, object]]:
    """Cargo's old "MIT/Apache-2.0" is an SPDX expression with "OR"."""
    return [{"expression": re.sub(r"\s*/\s*", " OR ", text)}] if text else []


def locked(root: Path) -> list[dict[str, object]]:
    """The packages of Cargo.lock."""
    return tomllib.loads((root / "Cargo.lock").read_text(encoding="utf-8"))["package"]


def purl(package: dict[str, object]) -> str:
    """A package's address, which is its name in this bill, too."""
    return f"pkg:cargo/{package['name']}@{package['version']}".replace("+", "%2B")


def vendored(manifest: Path) -> list[Component]:
    """libjpeg-turbo, where the package of `manifest` holds its source: the only code in C that strangers' bytes reach."""
    script = manifest.parent / "libjpeg-turbo" / "CMakeLists.txt"
    found = re.search(r"^set\(VERSION ([0-9.]+)\)", script.read_text(encoding="utf-8"), re.M) if script.is_file() else None
    if found is None:
        return []
    version, name = found[1], "libjpeg-turbo"
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:generic/{name}@{version}",
            "name": name,
            "version": version,
            "cpe": f"cpe:2.3:a:{name}:{name}:{version}:*:*:*:*:*:*:*",
            "purl": f"pkg:generic/{name}@{version}",
            "licenses": licences("IJG AND BSD-3-Clause AND Zlib"),
        }
    ]


def crates(packages: list[dict[str, object]], metadata: dict[str, object], linked: set[tuple[str, str]]) -> list[Component]:
    """Packages from the registry, and this project's own crates."""
    known = {(package["name"], package["version"]): package for package in metadata.get("packages", [])}
    components = []
    for package in packages:
        told = known.get((package["name"], package["version"]), {})
        own = "source" not in package
        component = {
            "type": "library",
            "bom-ref": purl(package),
            "name": package["name"],
            "version": package["version"],
            "licenses": licences(told.get("license") or ""),
            # The project's own crates are in no registry: such an address would be somebody else's package.
            "purl": None if own else purl(package),
            "hashes": sha256(package["checksum"]) if "checksum" in package else None,
            "scope": ("required" if (package["name"], package["version"]) in linked else "excluded") if linked else None,
            "components": vendored(Path(told["manifest_path"])) if package["name"] == "turbojpeg-sys" and told else None,
        }
        components.append({key: value for key, value in component.items() if value})
    return components


def wheel(name: str, version: str, digest: str, use: str, platform: str = "") -> Component:
    """A pinned Python package of which only the files inside are used."""
    about = [{"name": "wildwarden:use", "value": use}] + ([{"name": "wildwarden:platform", "value": platform}] if platform else [])
    address = f"pkg:pypi/{name}@{version}"
    reference = f"{address}#{platform}" if platform else address
    return {"type": "library", "bom-ref": reference, "name": name, "version": version, "purl": address, "hashes": sha256(digest), "properties": about}


def wheels(root: Path) -> list[Component]:
    """What the scripts fetch, read from them.

    Raises ValueError when a script does not say what is looked for: a list that quietly lacks something is worse than none.
    """
    setup = (root / "scripts" / "setup.sh").read_text(encoding="utf-8")
    fetch = (root / "scripts" / "models" / "fetch.sh").read_text(encoding="utf-8")
    version = re.search(r"^version=([0-9.]+)$", setup, re.M)
    runtimes = re.findall(rf"platform=(\w+);[^\n]*\n\s*sha256=({SHA256})", setup)
    models = re.findall(rf"wheel ([\w-]+)==([\w.]+) ({SHA256})", fetch)
    tools = re.findall(r"'([\w-]+)==([\w.]+)'", fetch)
    pinned = len(re.findall(SHA256, setup)) + len(re.findall(SHA256, fetch))
    if version is None or not runtimes or not models or not tools or pinned != len(runtimes) + len(models):
        raise ValueError("scripts/setup.sh or scripts/models/fetch.sh pins something in a way that this script does not read")
    found = [wheel("onnxruntime", version[1], digest, "its shared library is loaded at run time", platform) for platform, digest in runtimes]
    found += [wheel(name, number, digest, "its models are made into model folders") for name, number, digest in models]
    for name, number in tools:
        use = [{"name": "wildwarden:use", "value": "makes the model folders; what it makes is held against hashes"}]
        address = f"pkg:pypi/{name}@{number}"
        found.append({"type": "library", "bom-ref": address, "name": name, "version": number, "purl": address, "scope": "excluded", "properties": use})
    return found


def models(root: Path) -> list[Component]:
    """Model folders of the repository, and those that the scripts make: their manifests pin every file."""
    manifests = [*root.glob("models/*/*/model.toml"), *root.glob("scripts/models/*/model.toml")]
    found = {}
    for manifest in (tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(manifests)):
        reference = f"model:{manifest['name']}@{manifest['version']}"
        licence = manifest["card"]["licence"]
        component = {
            "type": "machine-learning-model",
            "bom-ref": reference,
            "name": manifest["name"],
            "version": manifest["version"],
            "description": manifest["card"]["summary"],
            "hashes": sha256(manifest["files"][manifest["file"]]),
            # In the card's words: SPDX has no name for "weights free, part of the data for research only".
            "licenses": [{"license": {"name": licence}}] if licence else [],
        }
        # A model that was made is in both places.
        found[reference] = component
    return list(found.values())


def graph(packages: list[dict[str, object]]) -> list[dict[str, object]]:
    """Which package needs which. Cargo.lock gives the version where a name alone would not tell."""
    by_name: dict[str, list[dict[str, object]]] = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)

    def find(needed: str) -> str:
        name, *rest = needed.split(" ")
        return next(purl(package) for package in by_name[name] if not rest or package["version"] == rest[0])

    return [{"ref": purl(package), "dependsOn": sorted(find(needed) for needed in package.get("dependencies", []))} for package in packages]


def bill(root: Path, metadata: dict[str, object], linked: set[tuple[str, str]]) -> dict[str, object]:
    """The whole bill."""
    packages = locked(root)
    program = next(package for package in packages if package["name"] == "wildwarden")
    components = crates([package for package in packages if package is not program], metadata, linked) + wheels(root) + models(root)
    others = [component["bom-ref"] for component in components if not str(component["bom-ref"]).startswith("pkg:cargo/")]
    dependencies = graph(packages)
    for entry in dependencies:
        if entry["ref"] == purl(program):
            entry["dependsOn"] = sorted({*entry["dependsOn"], *others})
    about: dict[str, object] = {
        "component": {
            "type": "application",
            "bom-ref": purl(program),
            "name": program["name"],
            "version": program["version"],
            "licenses": licences("Apache-2.0"),
        }
    }
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        about["timestamp"] = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = {"metadata": about, "components": components, "dependencies": dependencies}
    # The same content has the same number, so that a bill can be made again and compared.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{number}", "version": 1, **content}


def read_linked(text: str) -> set[tuple[str, str]]:
    """Name and version from lines as "3ring v0.17.14", the depth in front. A macro runs in the compiler and is no part of the
    program, nor is what only macros need.
    """
    found, macro = set(), None
    for depth, name, version, rest in re.findall(r"^(\d+)([\w-]+) v(\S+)(.*)$", text, re.M):
        if macro is not None and int(depth) > macro:
            continue
        macro = int(depth) if "(proc-macro)" in rest else None
        if macro is None:
            found.add((name, version))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--metadata", type=Path, help="what `cargo metadata` prints")
    parser.add_argument("--linked", type=Path, help="what `cargo tree --prefix depth --no-dedupe` prints")
    parser.add_argument("out", nargs="?", type=Path, help="file to write; standard output unless given")
    arguments = parser.parse_args()
    metadata = json.loads(arguments.metadata.read_text(encoding="utf-8")) if arguments.metadata else {}
    linked = read_linked(arguments.linked.read_text(encoding="utf-8")) if arguments.linked else set()
    made = bill(ROOT, metadata, linked)
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    if arguments.out is None:
        sys.stdout.write(text)
        return
    arguments.out.write_text(text, encoding="utf-8")
    print(f"==> {len(made['components'])} components in {arguments.out}")


if __name__ == "__main__":
    main()
