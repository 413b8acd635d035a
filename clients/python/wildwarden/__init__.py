"""Rates marketplace listings for illegal wildlife trade, by a Wildwarden server.

```python
from wildwarden import Client, Listing

with Client("127.0.0.1:50051") as client:
    rating = client.rate(Listing(title="老象牙手镯 包浆好 家传 私聊", images=[open("bangle.jpg", "rb").read()]))
    print(rating.risk, [reason.text for reason in rating.reasons])
```

`Client` blocks, `AsyncClient` is for asyncio. `wildwarden.frames` rates the rows of a pandas or Polars frame, `wildwarden.spark` and
`wildwarden.ray` those of a cluster. `program` names the server that came with this package.

A rating says "suspected". It is no proof, and no ground for a decision without a person.
"""

from wildwarden.aio import AsyncClient
from wildwarden.channel import Tls
from wildwarden.client import Client
from wildwarden.errors import DeadlineExceeded, Full, InvalidListing, NotAllowed, RateError, Unavailable, WildwardenError
from wildwarden.listing import Image, Listing, NotRated, Outcome, Rated
from wildwarden.stream import ClassifyStream
from wildwarden.where import program

__all__ = [
    "AsyncClient",
    "ClassifyStream",
    "Client",
    "DeadlineExceeded",
    "Full",
    "Image",
    "InvalidListing",
    "Listing",
    "NotAllowed",
    "NotRated",
    "Outcome",
    "RateError",
    "Rated",
    "Tls",
    "Unavailable",
    "WildwardenError",
    "program",
]
