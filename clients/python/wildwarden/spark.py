"""Listings in a Spark data frame, rated on the workers.

```python
from wildwarden import spark as wildwarden

rated = wildwarden.rate(listings, title="goods_name", images="photos", bundle="models.bundle")
rated.where("suggestion != 'pass'").write.parquet("suspected")
```

The workers need this package and nothing else: models and policy travel with the job, in the file that `wildwarden bundle` writes. Each
worker host runs one server for all its tasks (`wildwarden.host`). Spark 3.5 and 4, with and without Spark Connect.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wildwarden import host, rows
from wildwarden.bulk import IN_FLIGHT, Task, Wanted

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


def rate(
    df: DataFrame,
    *,
    bundle: str | os.PathLike[str],
    title: str | None = None,
    description: str | None = None,
    images: str | None = None,
    listing_id: str | None = None,
    images_root: str | os.PathLike[str] | None = None,
    prefix: str = "",
    keep: Sequence[str] | None = None,
    partitions: int | None = None,
    ship: bool = True,
    settings: Mapping[str, str] | None = None,
    idle_seconds: float = host.IDLE_SECONDS,
    in_flight: int = IN_FLIGHT,
) -> DataFrame:
    """The data frame with the rating columns (`wildwarden.rows.columns`) behind its own. Lazy, as all of Spark: nothing is rated here.

    A row whose photo cannot be read, or whose listing the server refuses, says so in `error_code` and `error`. A task that is run again
    makes the same rows, but for times and ids within the JSON of `rating`.

    Args:
        bundle: the file of `wildwarden bundle`, on this machine. Its policy says which columns there will be.
        title, description, images, listing_id: names of columns. `images` holds photos or lists of them, as bytes or as paths.
        images_root: the folder on every worker that paths are below. One that leaves it makes its row UNREADABLE.
        prefix: before the name of each rating column, where a column of that name is there already.
        keep: the input columns that leave beside the ratings. None: all. Photos that nobody needs afterwards are best left out.
        partitions: into how many the rows are divided first. None: as they are.
        ship: send the bundle along. False: each worker has it at the same path.
        settings: of the workers' servers, by their keys in its configuration file: `{"scheduler.workers": "8"}`.
        idle_seconds: how long a worker's server lives on when no task needs it.
        in_flight: messages of up to 16 listings that each task has under way.

    Raises:
        ValueError: a column is missing, or a rating column's name is taken.
        BundleError: the bundle is none.
    """
    wanted = Wanted.of(
        bundle,
        title=title,
        description=description,
        images=images,
        listing_id=listing_id,
        images_root=images_root,
        prefix=prefix,
        keep=keep,
        settings=settings,
        idle_seconds=idle_seconds,
        in_flight=in_flight,
    )
    kept = wanted.kept(df.columns)
    if keep is not None:
        # Columns that neither leave nor are rated are not carried to Python and back.
        df = df.select(*(f"`{name.replace('`', '``')}`" for name in df.columns if name in {*kept, *wanted.inputs.values()}))
    if partitions is not None:
        df = df.repartition(partitions)
    file = _shipped(df.sparkSession, Path(bundle), wanted.bundle) if ship else os.path.abspath(bundle)
    return df.mapInArrow(partial(_rated, wanted, file, ship), _schema(df, wanted, kept))


def _rated(wanted: Wanted, file: str, shipped: bool, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """A task, on a worker."""

    def fetch() -> Path:
        from pyspark import SparkFiles

        return Path(SparkFiles.get(file) if shipped else file)

    with closing(Task(wanted, fetch)) as task:
        yield from task.rate(batches)


def _schema(df: DataFrame, wanted: Wanted, kept: Sequence[str]) -> StructType:
    from pyspark.sql import types

    of = {"utf8": types.StringType(), "float64": types.DoubleType(), "bool": types.BooleanType(), "list<utf8>": types.ArrayType(types.StringType())}
    there = {field.name: field for field in df.schema.fields}
    version = {rows.SCHEMA_KEY: rows.SCHEMA_VERSION}
    rated = [types.StructField(column.name, of[column.kind], True, version) for column in wanted.columns]
    return types.StructType([*(there[name] for name in kept), *rated])


def _shipped(spark: SparkSession, bundle: Path, bundle_id: str) -> str:
    """Sends the bundle to the workers, and gives the name that it has there. Its name says what is in it: a session keeps the first
    file of a name, whatever comes later."""
    name = f"wildwarden-{bundle_id[:16]}.bundle"
    sent = _sent(spark)
    if name not in sent:
        folder = Path(tempfile.mkdtemp(prefix="wildwarden-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        try:
            os.link(bundle, folder / name)
        except OSError:  # another file system, or one that knows no links
            shutil.copyfile(bundle, folder / name)
        if _is_connect(spark):
            spark.addArtifacts(str(folder / name), file=True)
        else:
            spark.sparkContext.addFile(str(folder / name))
        sent.add(name)
    return name


def _is_connect(spark: Any) -> bool:  # noqa: ANN401  # of either kind
    return type(spark).__module__.startswith("pyspark.sql.connect")


def _sent(spark: Any) -> set[str]:  # noqa: ANN401
    """What this session has been sent. Kept with the session, so that another one starts with nothing."""
    holder = spark if _is_connect(spark) else spark.sparkContext
    if not hasattr(holder, "_wildwarden_sent"):
        holder._wildwarden_sent = set()
    sent: set[str] = holder._wildwarden_sent
    return sent
