"""What a call raises: one kind of error a cause that a program would treat differently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2

DETAILS = "grpc-status-details-bin"
RETRY_AFTER_MS = "retry-after-ms"


class WildwardenError(Exception):
    """Whatever this package raises of its own."""


class RateError(WildwardenError):
    """A call that failed: the status of gRPC, and what the server said beside it."""

    def __init__(self, code: str, message: str, *, field: str = "", reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """Name of the gRPC status, such as INVALID_ARGUMENT."""
        self.message = message
        self.field = field
        """The field of the request at fault, for INVALID_ARGUMENT."""
        self.reason = reason
        """A word that does not change when the message does, such as QUEUE_FULL; empty where the server gave none."""
        self.retry_after = retry_after
        """Seconds until the server is likely to have room; None where it did not say."""


class InvalidListing(RateError):
    """INVALID_ARGUMENT: the listing is not one that the server rates, and the message says why."""


class Full(RateError):
    """RESOURCE_EXHAUSTED: the server had no room for it, as long as the caller's patience and deadline lasted."""


class DeadlineExceeded(RateError):
    """DEADLINE_EXCEEDED: there was no answer in time."""


class Unavailable(RateError):
    """UNAVAILABLE: the server is not there, starts, drains or has no model, as long as patience and deadline lasted."""


class NotAllowed(RateError):
    """UNAUTHENTICATED or PERMISSION_DENIED: no key, a wrong one, or one without the role."""


_KINDS: dict[str, type[RateError]] = {
    "INVALID_ARGUMENT": InvalidListing,
    "RESOURCE_EXHAUSTED": Full,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "UNAVAILABLE": Unavailable,
    "UNAUTHENTICATED": NotAllowed,
    "PERMISSION_DENIED": NotAllowed,
}


def error(code: str, message: str, *, field: str = "", reason: str = "", retry_after: float | None = None) -> RateError:
    """The error of a status, of the kind that belongs to it."""
    return _KINDS.get(code, RateError)(code, message, field=field, reason=reason, retry_after=retry_after)


def of_call(failed: grpc.RpcError) -> RateError:
    """The error of a call that gRPC says has failed."""
    field, reason, retry_after = "", "", None
    # Published types say less of it than there is.
    said = cast("Iterable[tuple[str, str | bytes]] | None", failed.trailing_metadata())
    for name, value in said or ():
        if name == RETRY_AFTER_MS and retry_after is None:
            retry_after = int(value) / 1000
        if name != DETAILS:
            continue
        status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
        info, retry, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            if detail.Unpack(info):
                reason = info.reason
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.ToTimedelta().total_seconds()
            elif detail.Unpack(bad) and bad.field_violations:
                field = bad.field_violations[0].field
    return error(failed.code().name, failed.details() or "", field=field, reason=reason, retry_after=retry_after)
