"""Rates one listing: python rate.py [--title TEXT] [--description TEXT] [PHOTO ...]"""

import argparse
import os
import sys
from pathlib import Path

from wildwarden import Client, Image, Listing, Rated, RateError
from wildwarden.v1 import risk_pb2

DEADLINE = 5.0  # seconds, with every further try


def listing(description: str | None = None) -> Listing:
    """The listing that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--title", default="")
    parser.add_argument("--description", default="")
    parser.add_argument("photos", metavar="PHOTO", nargs="*", type=Path)
    given = parser.parse_args()
    images = [Image(photo.read_bytes(), photo.name) for photo in given.photos]
    return Listing(title=given.title, description=given.description, images=images)


def name(enum, value: int, prefix: str) -> str:
    # A newer server may send values that this package does not know.
    return enum.Name(value).removeprefix(prefix) if value in enum.values() else str(value)


def show(rating: Rated) -> None:
    print("suggestion:", name(risk_pb2.Suggestion, rating.suggestion, "SUGGESTION_"))
    print(f"risk: {rating.risk:.4f} ({name(risk_pb2.Level, rating.level, 'LEVEL_')})")
    for category in rating.categories:
        score = "unrated" if category.unrated else f"{category.probability:.4f} ({name(risk_pb2.Level, category.level, 'LEVEL_')})"
        print(f"category: {category.category} {score}")
    for reason in rating.reasons:
        arguments = ", ".join(f"{key}={value}" for key, value in sorted(reason.arguments.items()))
        print(f"reason: {name(risk_pb2.ReasonCode, reason.code, 'REASON_CODE_')} {reason.category or 'listing'} ({arguments})")
    if rating.degraded:
        print("degraded, without:", ", ".join(rating.missing))


def main() -> None:
    try:
        wanted = listing(__doc__)
    except OSError as error:
        sys.exit(f"rate: {error}")
    address, key = os.environ.get("WILDWARDEN_ADDRESS") or "127.0.0.1:50051", os.environ.get("WILDWARDEN_KEY")
    with Client(address, key=key, timeout=DEADLINE) as client:
        try:
            show(client.rate(wanted))
        except RateError as error:
            sys.exit(f"rate: {error}")


if __name__ == "__main__":
    main()
