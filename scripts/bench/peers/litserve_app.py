"""The peer LitServe: two worker processes. Usage: litserve_app.py PORT."""
import sys
from typing import Annotated

import litserve
import work
from fastapi import Depends, Request


async def body(request: Request) -> bytes:
    """LitServe would read a plain request as JSON."""
    return await request.body()


class Embed(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = work.session()

    def decode_request(self, request: Annotated[bytes, Depends(body)]) -> bytes:
        return request

    def predict(self, jpeg: bytes) -> dict:
        return work.run(self.model, [jpeg])[0]

    def encode_response(self, output: dict) -> dict:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Embed(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
