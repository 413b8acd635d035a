"""Measures Spark on two local workers against `wildwarden scan` on the same cores, and compares what scan, Spark, Ray and Classify say.

    bulk.py [--listings 2000] [--turns 3] [--program target/release/wildwarden] [--images DIR] [--cores 2] [--json FILE] [--only compare|speed]

Writes listings with photos of their own to Parquet, by turns has them rated by scan and by a Spark job, each with a server or a process
that it starts itself and each writing Parquet, and prints rows a second, the medians and their ratio. The start of Spark's own session is
not counted; that of the server is. Then has the same listings rated once more by Ray on two local nodes, and by one Classify a listing,
and compares every rating column of every row; of the column `rating`, all but times, ids and whether a photo was remembered.
Ends with 1 when the ratio is below 0.85 or a row differs.

Needs pyspark, pandas, pyarrow, ray and a Java beside the package in clients/python.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "clients" / "python"
sys.path[:0] = [str(PACKAGE), str(ROOT / "tests")]

import pyarrow as pa
import pyarrow.parquet as parquet

from marketplace import OF_THE_MOMENT
from wildwarden import Client, Listing, bundle, host, rows
from wildwarden.bulk import BULK_SETTINGS

WANTED = 0.85
FILES = 16
ROWS_OF_A_GROUP = 32
COLUMNS = {"listing_id": "id", "title": "name", "description": "text", "images": "photos"}
SCHEMA = pa.schema([("id", "string"), ("name", "string"), ("text", "string"), ("photos", pa.list_(pa.binary()))])
IDLE_SECONDS = 1.0
# Of a photo, whether its scores were remembered.
REMEMBERED = "cached"


def listings(count: int, images: Path) -> Iterator[dict]:
    """Photos that are there, under texts of the fixtures: one photo each, and two where the number ends in 0."""
    photos = sorted(path for path in images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    texts = [json.loads(line) for line in (ROOT / "tests/fixtures/listings.jsonl").read_text(encoding="utf-8").splitlines()]
    if not photos:
        sys.exit(f"bulk: {images} holds no .jpg")
    turn = itertools.cycle(photos)
    for number in range(count):
        text = texts[number % len(texts)]
        # Bytes after the end of a JPEG are not part of the picture, but of its hash: no photo is a repetition.
        own = [next(turn).read_bytes() + f"{number}-{index}".encode() for index in range(2 if number % 10 == 0 else 1)]
        yield {"id": f"{number:06}", "name": text.get("title"), "text": text.get("description"), "photos": own}


def write(count: int, images: Path, folder: Path) -> None:
    folder.mkdir()
    given = listings(count, images)
    for file in range(FILES):
        share = list(itertools.islice(given, count // FILES + (file < count % FILES)))
        parquet.write_table(pa.Table.from_pylist(share, SCHEMA), folder / f"{file:02}.parquet", row_group_size=ROWS_OF_A_GROUP)


def gone(folder: Path) -> None:
    """Waits until no server is left from the turn before."""
    until = time.monotonic() + 60
    while list(folder.glob("*/door")):
        if time.monotonic() > until:
            sys.exit("bulk: a server does not end")
        time.sleep(0.1)
    time.sleep(1)


class Given:
    """What is compared, and where."""

    def __init__(self, asked: argparse.Namespace, folder: Path) -> None:
        self.program, self.folder, self.input = asked.program, folder, folder / "listings"
        self.bundle = folder / "models.bundle"
        self.environment = os.environ | {"WILDWARDEN_" + key.upper().replace(".", "_"): value for key, value in BULK_SETTINGS.items()}
        subprocess.run([self.program, "bundle", "--out", self.bundle], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        self.categories = bundle.categories(self.bundle)

    def scan(self, out: Path) -> float:
        mapped = [part for argument, column in COLUMNS.items() for part in ("--map", f"{argument}={column}")]
        inputs = sorted(str(path) for path in self.input.glob("*.parquet"))
        began = time.monotonic()
        subprocess.run([self.program, "scan", *inputs, "--out", out, *mapped], cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.monotonic() - began

    def spark(self, session: "object", out: Path) -> float:
        from wildwarden import spark

        began = time.monotonic()
        rated = spark.rate(session.read.parquet(str(self.input)), bundle=self.bundle, keep=[], idle_seconds=IDLE_SECONDS, **COLUMNS)
        rated.write.option("compression", "zstd").parquet(str(out))
        return time.monotonic() - began

    def ray(self, out: Path) -> float:
        import ray.data

        from wildwarden import ray as rating

        began = time.monotonic()
        rated = rating.rate(ray.data.read_parquet(str(self.input)), bundle=self.bundle, keep=[], idle_seconds=IDLE_SECONDS, **COLUMNS)
        rated.write_parquet(str(out))
        return time.monotonic() - began

    def classify(self) -> list[dict]:
        serving = host.Serving(bundle.read(self.bundle).id, tuple(BULK_SETTINGS.items()), str(self.program))
        with host.Lease(serving, lambda: self.bundle, idle_seconds=IDLE_SECONDS) as lease, Client(lease.address(), timeout=60) as client:
            answers = []
            for one in read(self.input):
                listing = Listing(one["name"] or "", one["text"] or "", one["photos"], one["id"])
                answers.append(rows.row(client.rate(listing), self.categories))
            return answers


def session() -> "object":
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
        "spark.executor.memory": "1g",
        "spark.sql.files.maxPartitionBytes": "64m",
        "spark.sql.files.openCostInBytes": "64m",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "128",
    }
    builder = SparkSession.builder.master("local-cluster[2,1,1024]").appName("wildwarden")
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def read(folder: Path) -> list[dict]:
    found = sorted(path for path in folder.rglob("*.parquet"))
    return [row for path in found for row in parquet.ParquetFile(path).read().to_pylist()]


def lasting(row: dict) -> dict:
    """A row's rating columns, without what tells of the moment."""
    rating = json.loads(row["rating"]) if row["rating"] else None
    if rating is not None:
        for name in OF_THE_MOMENT:
            rating.pop(name, None)
        for image in rating.get("images", ()):
            image.pop(REMEMBERED, None)
    return {name: value for name, value in row.items() if name not in ("source", "row")} | {"rating": rating}


def differences(by_engine: dict[str, list[dict]], wanted: list[dict]) -> list[str]:
    """What each says otherwise than Classify."""
    expected = {row["listing_id"]: lasting(row) for row in wanted}
    found = []
    for engine, given in by_engine.items():
        if len(given) != len(wanted):
            found.append(f"{engine}: {len(given)} rows, and {len(wanted)} are wanted")
        for row in given:
            one, other = lasting(row), expected.get(row["listing_id"])
            if one != other:
                columns = [name for name in one if other is None or one[name] != other.get(name)]
                said = "; ".join(f"{name}: {one[name]!r} and {other and other.get(name)!r}"[:600] for name in columns[:3])
                found.append(f"{engine}: listing {row['listing_id']}: {said}")
    return found


def speed(given: Given, turns: int, count: int) -> tuple[dict[str, list[float]], float]:
    spark, rates = session(), {"scan": [], "spark": []}
    try:
        # The first job of a session starts its executors, which is no part of a rating.
        spark.range(0, 4, 1, 4).mapInArrow(lambda batches: batches, "id long").collect()
        for turn in range(turns):
            for engine in ("scan", "spark") if turn % 2 == 0 else ("spark", "scan"):
                gone(host.home())
                out = given.folder / f"{engine}-{turn}"
                seconds = given.scan(out) if engine == "scan" else given.spark(spark, out)
                rates[engine].append(count / seconds)
                print(f"turn {turn + 1}: {engine} {count / seconds:.1f} rows/s", flush=True)
    finally:
        spark.stop()
    return rates, statistics.median(rates["spark"]) / statistics.median(rates["scan"])


def compared(given: Given) -> list[str]:
    import ray
    from ray.cluster_utils import Cluster

    scan, spark = given.folder / "scan-0" / "parts", given.folder / "spark-0"
    if not scan.exists():
        given.scan(given.folder / "scan-0")
    if not spark.exists():
        running = session()
        try:
            given.spark(running, spark)
        finally:
            running.stop()
    gone(host.home())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 1 << 30, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=2, object_store_memory=1 << 30)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        given.ray(given.folder / "ray")
        ray.shutdown()
    finally:
        cluster.shutdown()
    gone(host.home())
    return differences({"scan": read(scan), "spark": read(spark), "ray": read(given.folder / "ray")}, given.classify())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--listings", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "wildwarden")
    parser.add_argument("--images", type=Path, default=ROOT / "tests" / "fixtures" / "images" / "rendered")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=("compare", "speed"))
    asked = parser.parse_args()
    asked.program = asked.program.absolute()
    # Whatever is started here has these cores and no others.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.cores])
    folder = Path(tempfile.mkdtemp(prefix="wildwarden-bulk-"))
    os.environ |= {
        "PYTHONPATH": str(PACKAGE),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "WILDWARDEN": str(asked.program),
        "WILDWARDEN_HOST_DIR": str(folder / "host"),
        "ORT_DISABLE_TELEMETRY": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    }
    try:
        given = Given(asked, folder)
        write(asked.listings, asked.images, given.input)
        figures: dict[str, object] = {"listings": asked.listings, "cores": asked.cores}
        missed = False
        if asked.only != "compare":
            rates, ratio = speed(given, asked.turns, asked.listings)
            figures |= {"rows_per_second": rates, "spark_over_scan": ratio}
            print(f"spark over scan, medians of {asked.turns}: {statistics.median(rates['spark']):.1f} / {statistics.median(rates['scan']):.1f} rows/s = {ratio:.2f} (wanted {WANTED})")
            missed |= ratio < WANTED
        if asked.only != "speed":
            differ = compared(given)
            figures["differences"] = len(differ)
            print(f"rows of scan, Spark and Ray that differ from Classify: {len(differ)} of {3 * asked.listings}")
            print(*differ[:10], sep="\n")
            missed |= bool(differ)
        if asked.json:
            asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(missed)


if __name__ == "__main__":
    main()
