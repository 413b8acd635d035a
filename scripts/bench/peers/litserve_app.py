"""The peer LitServe: two worker processes. Usage: litserve_app.py PORT."""
import sys

import litserve
import work
from fastapi import Request


class Embed(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = work.session()

    async def decode_request(self, request: Request) -> bytes:
        return await request.body()

    def predict(self, jpeg: bytes) -> dict:
        return work.run(self.model, [jpeg])[0]

    def encode_response(self, output: dict) -> dict:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Embed(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
