"""Makes the messages and stubs of wildwarden/v1 from the contract in proto/: python stubs.py

Needs grpcio-tools, of the version that scripts/test.sh installs: another one writes other text.
"""

import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
CONTRACT = HERE.parent.parent / "proto"
PROTOS = ("wildwarden/v1/risk.proto", "wildwarden/v1/models.proto")


def make(out: Path) -> None:
    """Into `out`/wildwarden/v1."""
    # Of grpcio-tools: google/protobuf/timestamp.proto and its like.
    includes = (CONTRACT, Path(grpc_tools.__file__).parent / "_proto")
    flags = [*(f"-I{folder}" for folder in includes), f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"]
    failed = protoc.main(["protoc", *flags, *PROTOS])
    if failed:
        sys.exit(f"stubs: protoc failed with {failed}")


if __name__ == "__main__":
    make(HERE)
