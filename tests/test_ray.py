"""Listings rated on a Ray cluster of two local nodes, by `wildwarden.ray`: the rows of the server's own answers, whoever is killed.

Needs ray and pyarrow beside what the package in clients/python needs; a program with models that are there (WILDWARDEN, a path; else
target/debug/wildwarden). Run by scripts/test.sh.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "clients" / "python"
sys.path.insert(0, str(PACKAGE))

try:
    import pyarrow as pa
    import pyarrow.parquet
    import ray
    import ray.data
    from ray.cluster_utils import Cluster

    from wildwarden import Client, Listing, rows
    from wildwarden import ray as wildwarden
except ImportError as missing:
    if missing.name and missing.name.startswith("wildwarden"):
        raise
    ray = None

import bundles
from marketplace import FIXTURES, differences, lasting, listings
from server_process import PROGRAM

LISTINGS = 96
PARTS = 8
CATEGORIES = ["ivory", "pangolin_scale", "rhino_horn"]
SETTINGS = {"scheduler.workers": "2"}
WITHIN = 120.0  # seconds, on a busy machine


def eventually(true, within: float = WITHIN) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def running(word: str) -> list[int]:
    """Processes with this word in their command, but for those that only wait to be reaped, which have no command."""
    found = subprocess.run(["pgrep", "-f", "--", word], capture_output=True, text=True).stdout.split()
    return [int(process) for process in found if word in Path(f"/proc/{process}/cmdline").read_bytes().decode().replace("\0", " ")]


@unittest.skipIf(ray is None, "needs ray and pyarrow")
class Ray(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        os.environ.update(
            PYTHONPATH=str(PACKAGE),
            WILDWARDEN=str(PROGRAM),
            WILDWARDEN_HOST_DIR=str(cls.folder / "host"),
            ORT_DISABLE_TELEMETRY="1",
            RAY_USAGE_STATS_ENABLED="0",
            RAY_DATA_DISABLE_PROGRESS_BARS="1",
        )
        cls.bundle = bundles.write(cls.folder / "models.bundle")
        cls.given = listings(LISTINGS)
        (cls.folder / "listings").mkdir()
        for part in range(PARTS):
            table = pa.Table.from_pylist(cls.given[part::PARTS], pa.schema([("id", "string"), ("name", "string"), ("text", "string"), ("photos", pa.list_(pa.binary()))]))
            pyarrow.parquet.write_table(table, cls.folder / "listings" / f"{part}.parquet")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 500 << 20, "include_dashboard": False})
        cls.addClassCleanup(cluster.shutdown)
        cluster.add_node(num_cpus=2, object_store_memory=500 << 20)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        cls.addClassCleanup(ray.shutdown)
        cluster.wait_for_nodes()

    def rated(self, **more):
        listings = ray.data.read_parquet(str(self.folder / "listings")).repartition(PARTS)
        return wildwarden.rate(listings, bundle=self.bundle, listing_id="id", title="name", description="text", images="photos", settings=SETTINGS, idle_seconds=3, keep=["id"], batch_size=LISTINGS // PARTS, **more)

    @staticmethod
    def rows(dataset) -> list[dict]:
        return sorted((lasting(row) for row in dataset.take_all()), key=lambda row: row["id"])

    def server(self) -> dict | None:
        """What the one server of this host says of itself."""
        states = [json.loads(state.read_text()) for state in (self.folder / "host").glob("*/state.json")]
        self.assertLessEqual(len(states), 1)
        return states[0] if states else None

    def test_1_rows_are_the_servers_answers(self) -> None:
        self.assertEqual(len([node for node in ray.nodes() if node["Alive"]]), 2)
        got = self.rows(self.rated())
        with Client(self.server()["address"]) as client:
            answers = client.rate_many([Listing(one["name"] or "", one["text"] or "", one["photos"], one["id"]) for one in self.given])
            wanted = [lasting({"id": one["id"]} | rows.row(answer, CATEGORIES)) for one, answer in zip(self.given, answers)]
        self.assertEqual(list(got[0]), ["id", *(column.name for column in rows.columns(CATEGORIES))])
        self.assertEqual(differences(got, wanted), [])
        self.assertEqual({row["error_code"] for row in got}, {None})
        type(self).undisturbed = got
        self.assertEqual(running(f"--models {self.folder}"), [self.server()["server"]])
        self.assertTrue(eventually(lambda: not self.server()))

    def test_2_a_server_that_is_killed_changes_no_row(self) -> None:
        got, problems = [], []

        def job() -> None:
            try:
                got.extend(self.rows(self.rated()))
            except Exception as problem:
                problems.append(problem)

        thread = threading.Thread(target=job)
        thread.start()
        self.assertTrue(eventually(lambda: self.server() or not thread.is_alive()))
        os.kill(self.server()["server"], signal.SIGKILL)
        self.assertTrue(eventually(lambda: (self.server() or {"starts": 1})["starts"] == 2))
        thread.join(3 * WITHIN)
        self.assertEqual((problems, differences(got, self.undisturbed)), ([], []))

    def test_3_paths_and_rows_that_cannot_be_rated(self) -> None:
        shown = [("a", "象牙手镯", ["images/mug.jpg"], None), ("b", "象牙手镯", ["images/none.jpg"], "UNREADABLE"), ("c", "杯子", ["../../README.md"], "UNREADABLE"), ("d", "", [], "INVALID_ARGUMENT")]
        listings = ray.data.from_items([dict(zip(("listing_id", "title", "photos"), row)) for row in shown])
        with self.assertRaisesRegex(ValueError, "'listing_id' already.*prefix"):
            wildwarden.rate(listings, bundle=self.bundle, title="title").take_all()
        rated = wildwarden.rate(listings, bundle=self.bundle, listing_id="listing_id", title="title", images="photos", images_root=FIXTURES, prefix="ww_", settings=SETTINGS, idle_seconds=3, actors=1)
        got = {row["listing_id"]: row for row in rated.take_all()}
        self.assertEqual({key: row["ww_error_code"] for key, row in got.items()}, {row[0]: row[3] for row in shown})
        self.assertEqual({row["ww_listing_id"] for row in got.values()}, set("abcd"))

    @classmethod
    def tearDownClass(cls) -> None:
        assert eventually(lambda: not running(str(cls.folder / "host"))), "a server was left behind"


if __name__ == "__main__":
    unittest.main()
