"""The sample catalogue and the reading of catalogues."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ops.local.products import SAMPLE, Catalogue, CatalogueError

MAX_BYTES = 1_500_000


def write(folder: Path, products: object) -> Path:
    path = folder / "catalogue.json"
    path.write_text(json.dumps(products))
    return path


def entry(**changes: object) -> dict[str, object]:
    product = {
        "external_id": "A",
        "brand": "b",
        "name": "n",
        "category": "c",
        "price": "1.00",
        "photos": ["a.jpg"],
    }
    return product | changes


def test_every_photo_of_a_good_sample_is_a_picture() -> None:
    catalogue = Catalogue.read(SAMPLE)
    for product in catalogue.good:
        assert 1 <= len(product.photos) <= 3
        for photo in product.photos:
            with Image.open(catalogue.images / photo) as image:
                assert (image.format, image.size) == ("JPEG", (240, 320))


def test_the_sample_has_one_photo_that_is_none_and_one_that_is_missing() -> None:
    catalogue = Catalogue.read(SAMPLE)
    photos = {photo for product in catalogue.broken for photo in product.photos}
    stored = {photo for _, photo in catalogue.storable()}
    not_stored = photos - stored
    assert {(catalogue.images / photo).exists() for photo in not_stored} == {True, False}
    assert len(catalogue.broken) == len(not_stored) == 2
    assert len(stored) == catalogue.photos() - 2


def test_the_sample_is_small_and_holds_no_file_that_no_product_names() -> None:
    catalogue = Catalogue.read(SAMPLE)
    files = {path.name: path.stat().st_size for path in catalogue.images.iterdir()}
    assert sum(files.values()) < MAX_BYTES
    assert set(files) <= {photo for product in catalogue.products for photo in product.photos}


def test_a_photo_listed_twice_counts_once(tmp_path: Path) -> None:
    catalogue = Catalogue.read(write(tmp_path, [entry(photos=["a.jpg", "a.jpg"])]))
    assert catalogue.photos() == 1
    assert catalogue.storable() == {("A", "a.jpg")}


@pytest.mark.parametrize("products", [[], {}, [{}], [entry(photos=None)], ["text"]])
def test_what_is_no_catalogue_is_refused_with_its_name(tmp_path: Path, products: object) -> None:
    path = write(tmp_path, products)
    with pytest.raises(CatalogueError, match=str(path)):
        Catalogue.read(path)


def test_a_missing_catalogue_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"absent\.json"):
        Catalogue.read(tmp_path / "absent.json")
