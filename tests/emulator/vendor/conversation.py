"""What ximilar-client asks, and what it makes of the answers; runs in an environment that has only that client.

python conversation.py ORIGIN TOKEN COLLECTION PHOTO_URL PHOTO_FILE prints one JSON object: a step's name and what the
client returned.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import ximilar.client.client  # type: ignore[import-not-found,unused-ignore]
from ximilar.client import (  # type: ignore[import-not-found,unused-ignore]
    DominantColorProductClient,
    FashionTaggingClient,
    SimilarityFashionClient,
)

Step = tuple[str, Any]


def main(origin: str, token: str, collection: str, photo: str, file: str) -> None:
    """Ask everything and print it."""
    # Whether a service is allowed the client asks at a fixed address, whatever the endpoint is.
    ximilar.client.client.ENDPOINT = f"{origin}/"
    steps = [*similarity(origin, token, collection, photo, file), *tagging(origin, token, photo, file)]
    print(json.dumps(dict(steps)))


def similarity(origin: str, token: str, collection: str, photo: str, file: str) -> Iterator[Step]:
    """The life of three records, one of them sent as bytes."""
    client = SimilarityFashionClient(token, collection, endpoint=f"{origin}/similarity/fashion-new/v2/")
    records = [
        {"_id": f"S--{number}", "_url": photo, "product_id": "S", "price": number} for number in (1, 2)
    ]
    yield "ping", client.ping()
    yield "inserted", client.insert(records)
    yield "inserted_file", client.insert([{"_id": "F", "_file": file, "noresize": True}], extract_tags=True)
    yield "inserted_again", client.insert(records)
    yield "inserted_in_part", client.insert([*records, {"_id": "bad", "_url": f"{photo}.gone"}])
    yield "counted", counted(client, records)
    yield "got", client.get_records([{"_id": "S--1"}], fields_to_return=["*"])
    yield "got_in_part", client.get_records([{"_id": "S--1"}, {"_id": "none"}])
    yield "updated", client.update([{"_id": "S--1", "price": 9}])
    yield "all_ids", client.get_all_ids(fields=["price"], filterf={"product_id": "S"})
    yield "iterated", [record["_id"] for record in client.all_records_iter(batch_size=2)]
    yield "random", client.random(count=2, filter={"product_id": "S"})
    yield (
        "searched",
        client.search({"_url": photo}, k=2, fields_to_return=["product_id"], filter={"product_id": "S"}),
    )
    yield "searched_by_id", client.search({"_id": "S--2"}, k=5)
    yield "removed", client.remove([{"_id": record["_id"]} for record in records])
    yield "removed_again", client.remove([{"_id": record["_id"]} for record in records])


def counted(client: SimilarityFashionClient, records: list[dict[str, Any]]) -> dict[str, int]:
    """What the client's own bookkeeping says of an insert that was refused for duplicates."""
    counts = {"answer_records": 0, "records": 0, "error": 0, "skipped_records": 0}
    client.update_status(counts, client.insert(records), records, [])
    return counts


def tagging(origin: str, token: str, photo: str, file: str) -> Iterator[Step]:
    """Boxes, tags, colours and the taxonomy, and what becomes of a wrong token."""
    client = FashionTaggingClient(token, endpoint=f"{origin}/")
    records = [{"_url": photo}, {"_file": file, "noresize": True}]
    yield "detect", client.detect(records)
    yield "tags", client.tags(records, aggregate_labels=True)
    yield "detect_tags", client.detect_tags(records)
    yield "detect_tags_all", client.detect_tags_all(records)
    yield "meta", client.meta_tags(records)
    yield "parallel", len(client.parallel_records_processing(records * 4, client.tags, batch_size=2))
    yield "top_categories", client.get_top_categories()
    yield "categories", client.get_categories()
    yield "colours", DominantColorProductClient(token, endpoint=f"{origin}/").dominantcolor(records[:1])
    yield "eleven", client.detect(records[:1] * 11)
    yield "details", client.get("account/v2/details/")
    yield "refused", refusal(origin)


def refusal(origin: str) -> str:
    """What the client raises for a wrong token."""
    try:
        FashionTaggingClient("wrong-token", endpoint=f"{origin}/")
    except Exception as error:  # it raises no narrower one
        return str(error)
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
