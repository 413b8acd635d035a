"""Listings rated on a Spark cluster of two local workers, by `wildwarden.spark`: the rows of the server's own answers, whoever is killed.

Needs pyspark, pandas and pyarrow, and a Java that Spark runs on, beside what the package in clients/python needs; a program with models
that are there (WILDWARDEN, a path; else target/debug/wildwarden). Run by scripts/test.sh.
"""

import json
import os
import shutil
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
    import pyspark
    from pyspark.sql import SparkSession

    from wildwarden import Client, Listing, rows
    from wildwarden import spark as wildwarden
except ImportError as missing:
    if missing.name and missing.name.startswith("wildwarden"):
        raise
    SparkSession = None

import bundles
from marketplace import FIXTURES, differences, lasting, listings
from server_process import PROGRAM

LISTINGS = 96
PARTS = 8
SETTINGS = {"scheduler.workers": "2"}
WITHIN = 120.0  # seconds, on a busy machine
READY = SparkSession is not None and shutil.which("java") is not None


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


@unittest.skipUnless(READY, "needs pyspark, pyarrow, pandas and a java")
class Spark(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        # Workers find the package by the path of the driver; their servers are in a folder of this test's own.
        here = {
            "PYTHONPATH": str(PACKAGE),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(cls.folder / "work"),
            "WILDWARDEN": str(PROGRAM),
            "WILDWARDEN_HOST_DIR": str(cls.folder / "host"),
            "ORT_DISABLE_TELEMETRY": "1",
        }
        cls.environment = os.environ | here
        os.environ.update(here)
        cls.bundle = bundles.write(cls.folder / "models.bundle")
        cls.given = listings(LISTINGS)
        (cls.folder / "listings").mkdir()
        for part in range(PARTS):
            table = pa.Table.from_pylist(cls.given[part::PARTS], pa.schema([("id", "string"), ("name", "string"), ("text", "string"), ("photos", pa.list_(pa.binary()))]))
            pyarrow.parquet.write_table(table, cls.folder / "listings" / f"{part}.parquet")
        settings = {
            "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "2",
            # Each file is a partition.
            "spark.sql.files.maxPartitionBytes": "64m",
            "spark.sql.files.openCostInBytes": "64m",
            "spark.log.level": "ERROR",
        }
        builder = SparkSession.builder.master("local-cluster[2,1,1024]").appName("wildwarden")
        for key, value in settings.items():
            builder = builder.config(key, value)
        cls.spark = builder.getOrCreate()
        cls.addClassCleanup(cls.spark.stop)

    def listings(self):
        return self.spark.read.parquet(str(self.folder / "listings"))

    def rated(self, **more):
        return wildwarden.rate(self.listings(), bundle=self.bundle, listing_id="id", title="name", description="text", images="photos", settings=SETTINGS, idle_seconds=3, keep=["id"], **more)

    @staticmethod
    def rows(frame) -> list[dict]:
        return sorted((lasting(row.asDict()) for row in frame.collect()), key=lambda row: row["id"])

    def server(self) -> dict | None:
        """What the one server of this host says of itself."""
        states = [json.loads(state.read_text()) for state in (self.folder / "host").glob("*/state.json")]
        self.assertLessEqual(len(states), 1)
        return states[0] if states else None

    def under_way(self, frame, then) -> list[dict]:
        """The rows of a job that something happens to once its first task is done."""
        rows, problems = [], []

        def job() -> None:
            try:
                rows.extend(self.rows(frame))
            except Exception as problem:
                problems.append(problem)

        tracker = self.spark.sparkContext.statusTracker()
        before = set(tracker.getJobIdsForGroup(None))
        thread = threading.Thread(target=job)
        thread.start()

        def begun() -> bool:
            stages = [tracker.getStageInfo(stage) for one in set(tracker.getJobIdsForGroup(None)) - before for stage in tracker.getJobInfo(one).stageIds]
            return any(stage and 0 < stage.numCompletedTasks < PARTS // 2 and stage.numActiveTasks for stage in stages)

        self.assertTrue(eventually(lambda: begun() or not thread.is_alive()), "no task was done")
        self.assertTrue(thread.is_alive(), f"the job ended too early: {problems}")
        then()
        thread.join(3 * WITHIN)
        self.assertFalse(thread.is_alive())
        self.assertEqual(problems, [])
        return rows

    def test_1_rows_are_the_servers_answers(self) -> None:
        frame = self.rated()
        self.assertEqual([field.name for field in frame.schema.fields], ["id", *(column.name for column in rows.columns(["ivory", "pangolin_scale", "rhino_horn"]))])
        got = self.rows(frame)
        self.assertEqual([row["listing_id"] for row in got], [row["id"] for row in self.given])
        state = self.server()
        with Client(state["address"]) as client:
            answers = client.rate_many([Listing(one["name"] or "", one["text"] or "", one["photos"], one["id"]) for one in self.given])
            wanted = [lasting({"id": one["id"]} | rows.row(answer, ["ivory", "pangolin_scale", "rhino_horn"])) for one, answer in zip(self.given, answers)]
        self.assertEqual(differences(got, wanted), [])
        self.assertEqual({row["error_code"] for row in got}, {None})
        type(self).undisturbed = got
        # Both workers' tasks shared it, and it goes when they have gone.
        self.assertEqual(running(f"--models {self.folder}"), [state["server"]])
        self.assertTrue(eventually(lambda: not self.server()))

    def test_2_a_server_that_is_killed_changes_no_row(self) -> None:
        def kill() -> None:
            os.kill(self.server()["server"], signal.SIGKILL)

        self.assertEqual(differences(self.under_way(self.rated(), kill), self.undisturbed), [])
        self.assertEqual(self.server()["starts"], 2)

    def test_3_an_executor_that_is_killed_changes_no_row(self) -> None:
        self.assertTrue(eventually(lambda: not self.server()))

        def kill() -> None:
            executors = running("CoarseGrainedExecutorBackend")
            mine = [process for process in executors if self.spark.sparkContext.applicationId in Path(f"/proc/{process}/cmdline").read_text()]
            self.assertGreaterEqual(len(mine), 2)
            os.kill(mine[0], signal.SIGKILL)

        self.assertEqual(differences(self.under_way(self.rated(), kill), self.undisturbed), [])

    def test_4_paths_and_rows_that_cannot_be_rated(self) -> None:
        shown = [
            ("a", "象牙手镯", ["images/rendered/bangle.jpg", "images/mug.jpg"], None),
            ("b", "象牙手镯", ["images/none.jpg"], "UNREADABLE"),
            ("c", "象牙手镯", ["../../README.md"], "UNREADABLE"),
            ("d", "", [], "INVALID_ARGUMENT"),
            ("e", None, ["images/hostile/truncated.jpg"], "INVALID_ARGUMENT"),
            ("f", "象牙手镯", ["images/hostile/truncated.jpg"], None),
        ]
        frame = self.spark.createDataFrame([row[:3] for row in shown], "id string, title string, photos array<string>").repartition(2)
        frame = wildwarden.rate(frame, bundle=self.bundle, listing_id="id", title="title", images="photos", images_root=FIXTURES, prefix="ww_", settings=SETTINGS, idle_seconds=3)
        got = {row["id"]: row.asDict() for row in frame.collect()}
        self.assertEqual({key: row["ww_error_code"] for key, row in got.items()}, {row[0]: row[3] for row in shown})
        self.assertEqual([got["c"]["ww_listing_id"], got["c"]["title"], got["c"]["photos"]], ["c", "象牙手镯", ["../../README.md"]])
        self.assertIn("leaves", got["c"]["ww_error"])
        self.assertIsNone(got["c"]["ww_risk"])
        self.assertEqual([image["status"] for image in json.loads(got["a"]["ww_rating"])["images"]], ["IMAGE_STATUS_OK"] * 2)

    def test_5_what_is_asked_amiss_is_refused_before_a_job(self) -> None:
        frame = self.listings()
        for said, asked in {
            "no column 'names'": {"title": "names"},
            "name at least one column": {},
            "'risk' already": {"title": "name", "keep": ["risk"]},
        }.items():
            with self.subTest(said), self.assertRaisesRegex(ValueError, said):
                wildwarden.rate(frame.withColumnRenamed("id", "risk"), bundle=self.bundle, **asked)

    @unittest.skipIf(READY and pyspark.__version__ < "4", "the package of Spark 3.5 has no server of Spark Connect")
    def test_6_over_spark_connect(self) -> None:
        code = f"""
import os
from pyspark.sql import SparkSession
from wildwarden import spark as wildwarden
spark = SparkSession.builder.remote("local[2]").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
assert type(spark).__module__.startswith("pyspark.sql.connect"), type(spark)
frame = spark.createDataFrame([("a", "象牙手镯 私聊"), ("b", "杯子")], "id string, title string")
rated = wildwarden.rate(frame, bundle={str(self.bundle)!r}, listing_id="id", title="title", idle_seconds=1)
for row in sorted(rated.collect()):
    print("ROW", row.id, row.suggestion, row.error_code)
spark.stop()
"""
        # Spark starts a server of its own for a session like that, on a port that it is told.
        done = subprocess.run([sys.executable, "-c", code], env=self.environment, capture_output=True, text=True, timeout=3 * WITHIN)
        self.assertEqual([line for line in done.stdout.splitlines() if line.startswith("ROW")], ["ROW a review None", "ROW b pass None"], done.stderr[-4000:])

    @classmethod
    def tearDownClass(cls) -> None:
        assert eventually(lambda: not running(str(cls.folder / "host"))), "a server was left behind"


if __name__ == "__main__":
    unittest.main()
