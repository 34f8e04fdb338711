"""What the scrapers do to the catalogue meanwhile: edits, deletes, inserts, flips of image_status, whole reloads."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable

import psycopg

from tests.fix_system import IMAGES

from .world import World

# The scarves are broken on purpose.
PHOTOS = tuple(sorted(path.name for path in IMAGES.glob("0*.jpg")))
MOST_PHOTOS = 2
COLUMNS = "external_id, brand, name, category, price, image_urls, image_status"
AWAY_SECONDS = 0.5

Connection = psycopg.Connection[tuple[object, ...]]


class Scrapers:
    """Edit products at random from `with` to its end, about `edits` a second; `done` counts by kind."""

    def __init__(self, world: World, seed: int, *, edits: float) -> None:
        self.done: Counter[str] = Counter()
        self._world = world
        self._chance = random.Random(seed)
        self._pause = 1.0 / edits
        self._products = 0
        self._over = threading.Event()
        self._table = threading.Lock()
        self._thread = threading.Thread(target=self._scrape, name="scrapers", daemon=True)

    def fill(self, count: int) -> None:
        """Put the first products into the catalogue."""
        with self._world.owner() as owner, owner.transaction():
            for _ in range(count):
                self._insert(owner)
        self.done.clear()

    def __enter__(self) -> Scrapers:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    def load_anew(self) -> None:
        """Empty the table and copy all rows in again, as a scraper that knows no UPDATE does; ids may be others."""
        columns = COLUMNS if self._chance.random() < 0.5 else f"id, {COLUMNS}"
        with self._table, self._world.owner() as owner, owner.transaction():
            owner.execute("LOCK TABLE public.raw_products IN ACCESS EXCLUSIVE MODE")
            with owner.cursor().copy(f"COPY public.raw_products ({columns}) TO STDOUT") as out:
                rows = b"".join(bytes(part) for part in out)
            owner.execute("TRUNCATE public.raw_products")
            with owner.cursor().copy(f"COPY public.raw_products ({columns}) FROM STDIN") as into:
                into.write(rows)
        self.done["reload"] += 1

    def _scrape(self) -> None:
        owner: psycopg.Connection | None = None
        while not self._over.wait(self._pause):
            try:
                owner = owner or self._world.owner()
                with self._table:
                    self._edit(owner)
            except psycopg.Error:
                self.done["database away"] += 1
                if owner is not None:
                    owner.close()
                owner = None
                self._over.wait(AWAY_SECONDS)
        if owner is not None:
            owner.close()

    def _edit(self, owner: psycopg.Connection) -> None:
        kinds: dict[str, Callable[[psycopg.Connection], None]] = {
            "insert": self._insert,
            "delete": self._delete,
            "photos": self._change_photos,
            "price": self._change_price,
            "not ready": lambda owner: self._flip(owner, "pending"),
            "ready": lambda owner: self._flip(owner, "collage_ready"),
            "same again": self._rewrite,
        }
        kind = self._chance.choices(list(kinds), weights=(2, 2, 4, 4, 1, 3, 2))[0]
        kinds[kind](owner)
        self.done[kind] += 1

    def _insert(self, owner: psycopg.Connection) -> None:
        self._products += 1
        sku = f"SKU-{self._products:05}"
        owner.execute(
            f"INSERT INTO public.raw_products ({COLUMNS}) VALUES (%s, 'Nord', %s, 'dress', %s, %s, 'uploaded')",  # noqa: S608
            [sku, f"Dress {self._products}", self._chance.randint(1, 900), self._addresses(sku)],
        )

    def _delete(self, owner: psycopg.Connection) -> None:
        owner.execute("DELETE FROM public.raw_products WHERE external_id = %s", [self._any()])

    def _change_photos(self, owner: psycopg.Connection) -> None:
        sku = self._any()
        change = "UPDATE public.raw_products SET image_urls = %s, updated_at = now() WHERE external_id = %s"
        owner.execute(change, [self._addresses(sku), sku])

    def _change_price(self, owner: psycopg.Connection) -> None:
        change = "UPDATE public.raw_products SET price = %s, updated_at = now() WHERE external_id = %s"
        owner.execute(change, [self._chance.randint(1, 900), self._any()])

    def _flip(self, owner: psycopg.Connection, image_status: str) -> None:
        change = "UPDATE public.raw_products SET image_status = %s WHERE external_id = %s"
        owner.execute(change, [image_status, self._any()])

    def _rewrite(self, owner: psycopg.Connection) -> None:
        change = "UPDATE public.raw_products SET name = name, updated_at = now() WHERE external_id = %s"
        owner.execute(change, [self._any()])

    def _any(self) -> str:
        return f"SKU-{self._chance.randint(1, self._products):05}"

    def _addresses(self, sku: str) -> str:
        places = self._chance.sample(range(4), self._chance.randint(1, MOST_PHOTOS))
        first = self._chance.randrange(2)
        names = [PHOTOS[(int(sku[-5:]) + first + place) % len(PHOTOS)] for place in places]
        urls = [f"{self._world.photos_url}/{name}?{sku}" for name in names]
        return json.dumps(urls)
