"""Writes one listing for the load tools: python listing.py [--title TEXT] [--description TEXT] [PHOTO ...]

Into build/ beside it: listing.json, in canonical JSON with photos in base64, for HTTP, ghz and k6; listing.grpc, the message as gRPC
sends it, for h2load. Needs what the Python example needs.
"""

import struct
import sys
from pathlib import Path

from google.protobuf import json_format

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
from rate import listing  # noqa: E402

UNCOMPRESSED = 0


def main() -> None:
    request = listing(__doc__.splitlines()[0]).request()
    build = HERE / "build"
    build.mkdir(exist_ok=True)
    (build / "listing.json").write_text(json_format.MessageToJson(request, indent=None), encoding="utf-8")
    message = request.SerializeToString()
    (build / "listing.grpc").write_bytes(struct.pack(">BI", UNCOMPRESSED, len(message)) + message)


if __name__ == "__main__":
    main()
