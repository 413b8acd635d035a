"""Rates one listing: python rate.py [--title TEXT] [--description TEXT] [PHOTO ...]"""

import argparse
import os
import sys
import time
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from wildwarden.v1 import risk_pb2, risk_pb2_grpc

DEADLINE = 5.0  # seconds, a second try included
TEMPORARY = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


def listing(description: str | None = None) -> risk_pb2.ClassifyRequest:
    """The listing that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--title", default="")
    parser.add_argument("--description", default="")
    parser.add_argument("photos", metavar="PHOTO", nargs="*", type=Path)
    given = parser.parse_args()
    images = [risk_pb2.Image(image_id=photo.name, content=photo.read_bytes()) for photo in given.photos]
    return risk_pb2.ClassifyRequest(title=given.title, description=given.description, images=images)


def retry_delay(error: grpc.RpcError) -> float | None:
    """Seconds after which the server has room, where it says so."""
    status = rpc_status.from_call(error) if error.code() in TEMPORARY else None
    for detail in status.details if status else ():
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return info.retry_delay.ToTimedelta().total_seconds()
    return None


def rate(stub: risk_pb2_grpc.RiskServiceStub, request: risk_pb2.ClassifyRequest, key: str) -> risk_pb2.ClassifyResponse:
    metadata = [("authorization", f"Bearer {key}")] if key else []
    end = time.monotonic() + DEADLINE
    try:
        return stub.Classify(request, metadata=metadata, timeout=DEADLINE)
    except grpc.RpcError as error:
        delay = retry_delay(error)
        # A second answer that could only come too late is not waited for: the refusal says more than a passed deadline.
        if delay is None or time.monotonic() + delay >= end:
            raise
    time.sleep(delay)
    return stub.Classify(request, metadata=metadata, timeout=end - time.monotonic())


def name(enum, value: int, prefix: str) -> str:
    # A newer server may send values that these stubs do not know.
    return enum.Name(value).removeprefix(prefix) if value in enum.values() else str(value)


def show(rating: risk_pb2.ClassifyResponse) -> None:
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
        request = listing(__doc__)
    except OSError as error:
        sys.exit(f"rate: {error}")
    with grpc.insecure_channel(os.environ.get("WILDWARDEN_ADDRESS") or "127.0.0.1:50051") as channel:
        try:
            show(rate(risk_pb2_grpc.RiskServiceStub(channel), request, os.environ.get("WILDWARDEN_KEY", "")))
        except grpc.RpcError as error:
            sys.exit(f"rate: {error.code().name}: {error.details()}")


if __name__ == "__main__":
    main()
