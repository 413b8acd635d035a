"""How a server is reached: its address, keys and certificates, and what every call sends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import grpc

from wildwarden.v1 import risk_pb2

DEFAULT_ADDRESS = "127.0.0.1:50051"
SERVICE = "/wildwarden.v1.RiskService/"

Priority: TypeAlias = Literal["interactive", "bulk"]
Language: TypeAlias = Literal["en", "zh"]
Metadata: TypeAlias = tuple[tuple[str, str], ...]
ChannelOptions: TypeAlias = Sequence[tuple[str, str | int]]

# Of several addresses all are used, and one whose health is not SERVING is left alone until it is.
_SERVICE_CONFIG = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "wildwarden.v1.RiskService"}}

_OPTIONS: ChannelOptions = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # The answer to a batch that explains photos is larger than the 4 MiB that gRPC takes by default.
    ("grpc.max_receive_message_length", -1),
    # Without these, a server that was restarted is found again after up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates, PEM: `ca` of who signed the server's (the system's when None); the client's own, where the server asks for one."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC makes a connection with."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)


def options(address: str, more: ChannelOptions) -> list[tuple[str, str | int]]:
    """Of the channel: this package's, and then the caller's, which win."""
    return list({**dict(_OPTIONS), **_authority(address), **dict(more)}.items())


def _authority(address: str) -> dict[str, str | int]:
    # Of several addresses gRPC would make one name with commas in it, which no server takes.
    first, comma, _ = address.partition(",")
    return {"grpc.default_authority": first.partition(":")[2]} if comma else {}


def metadata(key: str | None, language: Language) -> Metadata:
    """What goes with every call."""
    said: Metadata = (("accept-language", language),)
    return (*said, ("authorization", f"Bearer {key}")) if key else said


def wanted(
    categories: Sequence[str] = (), priority: Priority | None = None, *, explain_text: bool = False, explain_images: bool = False
) -> risk_pb2.Options:
    """The contract's options of a listing."""
    name = f"PRIORITY_{(priority or 'unspecified').upper()}"
    return risk_pb2.Options(categories=categories, explain_text=explain_text, explain_images=explain_images, priority=name)
