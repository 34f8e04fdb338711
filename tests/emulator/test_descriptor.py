"""The descriptor finds pictures again, on drawings and on real photos where they are at hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from ops.emulator import pictures
from ops.emulator.collection import Collection, Photo
from ops.emulator.descriptor import Descriptor, describe, similarity
from ops.emulator.fashion.insertion import LOOKED_AT, describe_largest
from tests.emulator.drawing import blank, garment

PHOTOS = Path(__file__).parents[3] / "shared" / "photos"


@pytest.mark.parametrize("image", [blank(), garment("red"), Image.new("RGB", (3, 700), (128, 128, 128))])
def test_a_picture_is_most_like_itself(image: Image.Image) -> None:
    descriptor = describe(image)
    assert math.hypot(*descriptor) == pytest.approx(1.0)
    assert similarity(descriptor, descriptor) == pytest.approx(1.0)


def test_mirroring_and_cropping_matter_less_than_colour() -> None:
    image = garment("navy", (5, 15, 45, 85))
    original = describe(image)
    mirrored = similarity(original, describe(ImageOps.mirror(image)))
    cropped = similarity(original, describe(image.crop((0, 10, 60, 90))))
    recoloured = similarity(original, describe(garment("orange", (5, 15, 45, 85))))
    assert 1.0 > min(mirrored, cropped) > 0.85 > 0.6 > recoloured >= 0.0


@pytest.mark.parametrize("describing", [describe, describe_largest])
def test_other_views_of_real_products_are_found(
    describing: Callable[[Image.Image], Descriptor], record_property: Callable[[str, object], None]
) -> None:
    if not PHOTOS.is_dir():
        pytest.skip("../shared/photos is not here")
    collection = _real_collection(describing)
    stored = collection.photos()
    exact, queries, found = 0, 0, 0
    for photo in stored:
        answers = [other for _, other in collection.search(photo.descriptor, 11)]
        exact += answers[0] is photo
        assert photo.sku_id is not None
        if len(collection.urls_of(photo.sku_id)) > 1:
            queries += 1
            found += photo.sku_id in {other.sku_id for other in answers if other is not photo}
    # By chance, ten of 400 answers hit one of at most two other views in 5 % of the queries.
    record_property("recall_at_10_of_another_view", found / queries)
    assert exact == len(stored)
    assert found / queries > 0.95


def _real_collection(describing: Callable[[Image.Image], Descriptor]) -> Collection:
    collection = Collection()
    for product in json.loads((PHOTOS / "catalogue.json").read_text()):
        for name in product["photos"]:
            image = pictures.decode((PHOTOS / "images" / name).read_bytes(), at_least=LOOKED_AT)
            metadata = {"sku_id": product["external_id"]}
            collection.add(Photo(name, name, metadata, describing(image)), capacity=0)
    return collection
