"""Rates a fixture listing with a client generated from the proto: python tests/python_client.py ADDRESS (needs grpcio-tools)."""

import subprocess
import sys
import tempfile
from pathlib import Path

import grpc

ROOT = Path(__file__).parent.parent


def main(address: str) -> None:
    with tempfile.TemporaryDirectory() as out:
        # As a module, as the README says: that adds the folder of the standard types.
        arguments = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", f"--grpc_python_out={out}", "wildwarden/v1/risk.proto"]
        subprocess.run(arguments, check=True)
        sys.path.insert(0, out)
        from wildwarden.v1 import risk_pb2, risk_pb2_grpc

        stub = risk_pb2_grpc.RiskServiceStub(grpc.insecure_channel(address))
        photo = (ROOT / "tests/fixtures/images/tusk.jpg").read_bytes()
        listing = risk_pb2.ClassifyRequest(
            listing_id="42", title="老象牙手串 包浆好 私聊", images=[risk_pb2.Image(image_id="front", content=photo)]
        )
        rating = stub.Classify(listing, timeout=10)
        assert rating.listing_id == "42" and rating.images[0].image_id == "front"
        assert rating.suggestion >= risk_pb2.SUGGESTION_REVIEW, rating
        assert 0 < rating.risk <= 1 and rating.categories[0].HasField("image_probability")

        try:
            stub.Classify(risk_pb2.ClassifyRequest(), timeout=10)
            raise AssertionError("an empty listing must be refused")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error

        answers = list(stub.ClassifyStream(iter([risk_pb2.ClassifyRequest(request_id=str(i), title="连衣裙") for i in range(5)]), timeout=10))
        assert sorted(answer.request_id for answer in answers) == [str(i) for i in range(5)]
        print(f"risk {rating.risk:.4f} {risk_pb2.Level.Name(rating.level)} {risk_pb2.Suggestion.Name(rating.suggestion)}")


if __name__ == "__main__":
    main(sys.argv[1])
