"""The peer mosec: two worker processes. Usage: mosec_app.py --address 127.0.0.1 --port PORT; PEER_BATCH is its batch."""
import os

import work
from mosec import Server, Worker

BATCH = int(os.environ.get("PEER_BATCH", "1"))


class Embed(Worker):
    def __init__(self) -> None:
        self.model = work.session()

    def deserialize(self, data: bytes) -> bytes:
        return bytes(data)

    def forward(self, data):
        return work.run(self.model, [data])[0] if BATCH == 1 else work.run(self.model, data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Embed, num=2, max_batch_size=BATCH, max_wait_time=2 if BATCH > 1 else 0)
    server.run()
