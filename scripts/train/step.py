"""Runs a step of the training, unless all it depends on is as it was when it last ran.

    step.py NAME [--in PATH ...] --out PATH [PATH ...] -- COMMAND [ARGUMENT ...]

COMMAND is a script of this folder, or the server's program. The step depends on the files and folders after --in, on its command
line, on the script with the modules it imports from this folder, on the Python packages, and on the program where one of these
runs it. Their sha256, and those of what it wrote, stand in <first PATH of --out>.key, written when it is done: an interrupted
step runs again. What is skipped, what runs and why is said on standard error.
"""

import argparse
import ast
import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path

import program

FOLDER = Path(__file__).parent


def digest(path: Path) -> str:
    """sha256 of a file; of a folder, of the names and sha256 of all files in it; "" where nothing is."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return hashlib.sha256("".join(f"{file.relative_to(path)} {digest(file)}\n" for file in files).encode()).hexdigest()
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def modules(script: Path) -> list[Path]:
    """The script and what it imports of its own folder, directly or through others."""
    found, left = [], [script]
    while left:
        file = left.pop()
        if file in found or not file.exists():
            continue
        found.append(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            left += [script.parent / f"{name.partition('.')[0]}.py" for name in names]
    return sorted(found)


def parts(command: list[str], inputs: list[Path]) -> dict[str, str]:
    """What the step depends on, by name, and its sha256."""
    found = {str(path): digest(path) for path in inputs} | {"its command line": hashlib.sha256(json.dumps(command).encode()).hexdigest()}
    script = FOLDER / command[0]
    code = modules(script) if script.suffix == ".py" else []
    if code:
        found |= {file.name: digest(file) for file in code} | {"requirements.txt": digest(FOLDER / "requirements.txt"), "Python": platform.python_version()}
    if not code or Path(program.__file__) in code:
        found["the program"] = program.identity()
    return found


def why(kept: dict, now: dict[str, str], outputs: list[Path]) -> str:
    """Why the step has to run, in words; "" when it has not."""
    missing = [str(path) for path in outputs if not path.exists()]
    if missing:
        return f"{missing[0]} is not there"
    if not kept:
        return "it was not finished"
    before = kept["parts"]
    changed = [name for name in {**now, **before} if now.get(name) != before.get(name)]
    if changed:
        return f"{changed[0]} {f'and {len(changed) - 1} more' if changed[1:] else ''}".strip() + " changed"
    touched = [str(path) for path in outputs if digest(path) != kept["outputs"].get(str(path))]
    return f"{touched[0]} is not as it was written" if touched else ""


def run(name: str, inputs: list[Path], outputs: list[Path], command: list[str]) -> int:
    """The exit code of the step: 0 where it is skipped."""
    key, now = outputs[0].with_name(outputs[0].name + ".key"), parts(command, inputs)
    reason = why(json.loads(key.read_text(encoding="utf-8")) if key.exists() else {}, now, outputs)
    if not reason:
        print(f"==> {name}: skipped, nothing it depends on changed", file=sys.stderr, flush=True)
        return 0
    print(f"==> {name}: runs, because {reason}", file=sys.stderr, flush=True)
    key.unlink(missing_ok=True)
    script = FOLDER / command[0]
    code = subprocess.run([sys.executable, str(script), *command[1:]] if script.suffix == ".py" else command, check=False).returncode
    if code == 0:
        written = {"parts": now, "outputs": {str(path): digest(path) for path in outputs}}
        beside = key.with_name(key.name + ".new")
        beside.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        beside.replace(key)
    return code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--in", type=Path, nargs="*", default=[], dest="inputs")
    parser.add_argument("--out", type=Path, nargs="+", required=True)
    if "--" not in sys.argv:
        parser.error("a command is needed after --")
    at = sys.argv.index("--")
    arguments = parser.parse_args(sys.argv[1:at])
    sys.exit(run(arguments.name, arguments.inputs, arguments.out, sys.argv[at + 1 :]))


if __name__ == "__main__":
    main()
