"""Listings in a Ray dataset, rated on the nodes.

```python
from wildwarden import ray as wildwarden

rated = wildwarden.rate(listings, title="goods_name", images="photos", bundle="models.bundle")
rated.write_parquet("rated")
```

The nodes need this package and nothing else: models and policy travel through Ray's object store, once a node. Each node runs one server
for all its actors (`wildwarden.host`), so an actor takes no core of its own: it reads cells and waits.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from wildwarden import host
from wildwarden.bulk import IN_FLIGHT, Task, Wanted

if TYPE_CHECKING:
    from ray.data import Dataset

# Two a node: while one hands rows on, the other's keep the server at work.
ACTORS_OF_A_NODE = 2
# Rows of a batch. All its photos are in memory at once.
BATCH_SIZE = 128


def rate(
    dataset: Dataset,
    *,
    bundle: str | os.PathLike[str],
    title: str | None = None,
    description: str | None = None,
    images: str | None = None,
    listing_id: str | None = None,
    images_root: str | os.PathLike[str] | None = None,
    prefix: str = "",
    keep: Sequence[str] | None = None,
    actors: int | tuple[int, int] | None = None,
    batch_size: int = BATCH_SIZE,
    ship: bool = True,
    settings: Mapping[str, str] | None = None,
    idle_seconds: float = host.IDLE_SECONDS,
    in_flight: int = IN_FLIGHT,
    **options: Any,  # noqa: ANN401  # Ray's
) -> Dataset:
    """The dataset with the rating columns (`wildwarden.rows.columns`) behind its own. Lazy, as all of Ray Data: nothing is rated here.

    A row whose photo cannot be read, or whose listing the server refuses, says so in `error_code` and `error`. A batch that is rated again
    gives the same rows, but for times and ids within the JSON of `rating`.

    Args:
        bundle: the file of `wildwarden bundle`, on this machine.
        title, description, images, listing_id: names of columns. `images` holds photos or lists of them, as bytes or as paths.
        images_root: the folder on every node that paths are below. One that leaves it makes its row UNREADABLE.
        prefix: before the name of each rating column, where a column of that name is there already.
        keep: the input columns that leave beside the ratings. None: all. Photos that nobody needs afterwards are best left out.
        actors: how many rate, or from how many to how many. None: two for each node that is there now, over which
            Ray spreads them.
        batch_size: rows that an actor gets at once.
        ship: send the bundle along. False: each node has it at the same path.
        settings: of the nodes' servers, by their keys in its configuration file: `{"scheduler.workers": "8"}`.
        idle_seconds: how long a node's server lives on when no actor needs it.
        in_flight: messages of up to 16 listings that each actor has under way.
        options: more of `map_batches`, such as `num_cpus`.

    Raises:
        ValueError: a column is missing, or a rating column's name is taken: here where the columns are known, else when rows come.
        BundleError: the bundle is none.
    """
    import ray
    from ray.data import ActorPoolStrategy

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
    known = dataset.schema(fetch_if_missing=False)
    if known is not None:
        wanted.kept(list(known.names))
    cluster: Any = ray
    if actors is None:
        actors = ACTORS_OF_A_NODE * max(1, sum(node["Alive"] for node in cluster.nodes()))
    least, most = (actors, actors) if isinstance(actors, int) else actors
    # In a list: a reference of its own would be resolved, so read by every actor, also where a server runs already.
    shipped = [ray.put(Path(bundle).read_bytes())] if ship else []
    return dataset.map_batches(
        _Rating,
        fn_constructor_args=(wanted, os.path.abspath(bundle), shipped),
        batch_format="pyarrow",
        batch_size=batch_size,
        zero_copy_batch=True,
        compute=ActorPoolStrategy(min_size=least, max_size=most),
        **{"num_cpus": 0, **options},
    )


class _Rating:
    """An actor, on a node."""

    def __init__(self, wanted: Wanted, file: str, shipped: Sequence[Any]) -> None:
        self._wanted = wanted
        self._file = file
        self._shipped = shipped
        self._task = Task(wanted, self._fetch)
        self._here: Path | None = None

    def __call__(self, table: pa.Table) -> pa.Table:
        rated = list(self._task.rate(table.to_batches()))
        if self._here is not None:
            # The host's server has unpacked it.
            self._here.unlink(missing_ok=True)
            self._here = None
        return pa.Table.from_batches(rated, self._wanted.schema(table.schema))

    def _fetch(self) -> Path:
        if not self._shipped:
            return Path(self._file)
        import ray

        held, name = tempfile.mkstemp(prefix="wildwarden-", suffix=".bundle")
        self._here = Path(name)
        with open(held, "wb") as out:
            out.write(ray.get(self._shipped[0]))
        return self._here
