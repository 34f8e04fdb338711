"""The real worker over the real SQL, one job at a time, against a collection in this process.

The collection is the emulator's own; what is left out is HTTP, so that thousands of jobs run in seconds and each can
be cut off at any of its steps.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg.types.json import Jsonb

from ops.emulator.collection import ABSENT, DUPLICATE, REMOVED, STORED, Collection, Photo
from ops.emulator.recognition import photo_id
from procrastinate_app import reconcile, removal, runs, sync, touched
from procrastinate_app.database import Database, open_database
from procrastinate_app.outcome import Ticket
from procrastinate_app.retry import PutBack
from procrastinate_app.sending import Sender
from procrastinate_app.services import Services, make_profile, make_uploader
from procrastinate_app.settings import Settings
from procrastinate_app.throttle import Throttle
from procrastinate_app.ximilar.asyncio_transport import Leave
from procrastinate_app.ximilar.calls import Call, Response
from procrastinate_app.ximilar.errors import ServerFault, TimedOut
from tests import canaries

T = TypeVar("T")
Row = dict[str, Any]

COLLECTION = "collection-of-the-tests"
TABLES = (
    "public.raw_products, public.scraper_logs, photos, strays, removals, passes, drains, touched, runs, run_products,"
    " attempts, procrastinate_jobs, procrastinate_events"
)


class Crash(BaseException):
    """The process died here: nobody cleans up, nothing more is written."""


class Ximilar:
    """A transport whose other end is a collection. `script` holds what happens to the next calls."""

    def __init__(self) -> None:
        self.collection = Collection()
        self.calls: list[tuple[str, str, str]] = []
        self.script: list[str] = []
        self.refused: set[str] = set()
        self.capacity = 0
        self.watch: Callable[[], None] = lambda: None

    async def send(self, call: Call[T], *, permit: Leave) -> T:
        """Do what the next line of the script says: ok, 400, 503, lost, drop, crash before or after the effect."""
        await permit()
        return await asyncio.to_thread(self._answer, call)  # `watch` may run the loop of another worker

    def close(self) -> None:
        """There are no connections."""

    def photos(self) -> dict[tuple[str, str], Row]:
        """{(SKU, address): metadata} of all that is stored; a photo that is there twice fails the test."""
        stored = self.collection.photos()
        found = {(str(photo.sku_id), str(photo.url)): _said(photo.metadata) for photo in stored}
        assert len(found) == len(stored), sorted((photo.sku_id, photo.url) for photo in stored)
        return found

    def put(self, record_id: str, url: str, metadata: Row) -> None:
        """Store a photo behind everybody's back."""
        self.collection.add(_photo(record_id, url, metadata), capacity=0)

    def listing(self, path: str) -> Row:
        """A page of what is stored."""
        size, page = (int(value[0]) for value in parse_qs(urlsplit(path).query).values())
        photos = self.collection.photos()
        shown = [_listed(photo) for photo in photos[(page - 1) * size : page * size]]
        return {"answer_records": shown, **({"next": page + 1} if page * size < len(photos) else {})}

    def _answer(self, call: Call[T]) -> T:
        happens = self.script.pop(0) if self.script else "ok"
        if happens == "503":
            raise ServerFault("unavailable", code=503)
        if happens == "400":
            return call.read(Response(400, {}, b'{"detail": "malformed"}'))
        if happens == "lost":
            raise TimedOut("silence")
        if happens == "crash_before":
            raise Crash
        keyed = "collection-id" in call.request.headers
        answer = self._apply_keyed(call) if keyed else self._apply(call)
        self.watch()
        if happens == "drop":
            raise TimedOut("silence after the effect")
        if happens == "crash_after":
            raise Crash
        return call.read(Response(200, {}, json.dumps(answer).encode()))

    def _apply(self, call: Call[Any]) -> Row:
        body = call.request.body
        sku, url = body["metadata"].get("sku_id"), body["image"]
        self.calls.append((call.name, sku, url))
        return _status(self._collect(call.name, sku, url, body["metadata"]))

    def _collect(self, name: str, sku: str | None, url: str, metadata: Row) -> int:
        if not sku or (name == "store" and url in self.refused):
            return 400
        if name == "remove":
            return REMOVED if self.collection.remove(photo_id(sku, url)) == REMOVED else ABSENT
        refusal = self.collection.refusal(photo_id(sku, url), capacity=0)
        if refusal is not None:
            return DUPLICATE
        self.collection.add(_photo(photo_id(sku, url), url, metadata), capacity=0)
        return STORED

    def _apply_keyed(self, call: Call[Any]) -> Row:
        """What the emulator's profile `fashion` does with each record."""
        if call.name == "list":
            return self.listing(call.request.path) | _status(200)
        codes = {record["_id"]: self._do_keyed(call.name, record) for record in call.request.body["records"]}
        done = [{"_id": record_id} for record_id, code in codes.items() if code == 200]
        if call.name != "store":
            some, none = (206, 404) if len(done) < len(codes) else (200, 200)
            return {"answer_records": done} | _status(some if done else none)
        reasons = {211: "record duplicate", 400: "bad image", 412: "hard capacity exceeded"}
        skipped = [
            {"_id": record_id, "_reason": {"status": {"code": code, "text": reasons[code]}}}
            for record_id, code in codes.items()
            if code != 200
        ]
        code = 210 if not skipped else 411 if set(codes.values()) == {211} else 211
        return {"answer_records": done, "skipped_records": skipped} | _status(code)

    def _do_keyed(self, name: str, record: Row) -> int:
        record_id = record["_id"]
        photo = self.collection.get(record_id)
        sku = photo.sku_id if photo else record.get("sku_id")
        url = str(photo.url if photo else record.get("_url"))
        self.calls.append((name, str(sku), url))
        metadata = {field: value for field, value in record.items() if not field.startswith("_")}
        if name == "store":
            if photo is not None:
                return 211
            if url in self.refused:
                return 400
            return self.collection.add(_photo(record_id, url, metadata), capacity=self.capacity)
        if name == "look":
            return 404 if photo is None else 200
        if name == "update":
            return 404 if self.collection.update(record_id, metadata, replace=False) is None else 200
        return 200 if self.collection.remove(record_id) == REMOVED else 404


def _photo(record_id: str, url: str, metadata: Row) -> Photo:
    return Photo(record_id, url, dict(metadata), None)  # type: ignore[arg-type]


def _status(code: int) -> Row:
    return {"status": {"code": code, "text": "", "request_id": "r"}}


def _said(metadata: Mapping[str, Any]) -> Row:
    """Metadata without what only groups records, and without what is null."""
    return {name: value for name, value in metadata.items() if value is not None and name != "product_id"}


def _listed(photo: Photo) -> Row:
    return {"_id": photo.id, "_url": photo.url, **photo.metadata}


class Harness:
    """A Staging, a collection, and the tasks of one worker. `variables` are settings of the environment."""

    def __init__(self, url: str, owner: psycopg.Connection, **variables: str) -> None:
        self.owner = owner
        self.url = url
        self.ximilar = Ximilar()
        self.variables = variables
        self._runner = asyncio.Runner()
        self._runner.get_loop().set_default_executor(ThreadPoolExecutor(4))
        self._context = open_database(url, max_size=4)
        self.database: Database = self._runner.run(self._context.__aenter__())
        owner.execute("SET search_path = ximilar, public")

    @property
    def settings(self) -> Settings:
        """The settings, with removing and carrying over on."""
        environ = {
            "STAGING_DB_URL": self.url,
            "XIMILAR_API_TOKEN": canaries.PLANTED["token"],
            "XIMILAR_COLLECTION_ID": COLLECTION,
            "XIMILAR_RATE_LIMIT": "1000",
            "REPAIR_SHARE": "1",
            "XIMILAR_REMOVE": "on",
            "XIMILAR_CARRY_METADATA": "on",
        }
        return Settings.from_env({**environ, **self.variables})

    @property
    def services(self) -> Services:
        """What tasks are given."""
        settings = self.settings
        throttle = Throttle(self.database, settings.rate_limit, repair_share=settings.repair_share)
        sender = Sender(self.ximilar, throttle, concurrency=8)  # type: ignore[arg-type]
        uploader = make_uploader(make_profile(settings), sender, self.database)
        return Services(settings, self.database, uploader, uuid.uuid4())

    @property
    def keyed(self) -> bool:
        """Whether records have ids of ours."""
        return make_profile(self.settings).keyed is not None

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))
        self._runner.close()

    def reset(self) -> None:
        """Begin anew: no rows, an empty collection, a calm account."""
        self.owner.execute(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
        self.calm()
        self.ximilar.__init__()  # type: ignore[misc]

    def calm(self) -> None:
        """End any pause and forget its history."""
        self.owner.execute("DELETE FROM throttle")
        self.owner.execute("INSERT INTO throttle DEFAULT VALUES")

    def add(self, sku: str, urls: Any, **columns: Any) -> int:
        """Add a product that is ready and pending."""
        row = {
            **{"external_id": sku, "brand": "Nord", "name": "Coat", "category": "coats", "price": "599.00"},
            **{"image_urls": Jsonb(urls), "image_status": "uploaded", "ximilar_status": "pending"},
            **columns,
        }
        names, marks = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        return int(self.value(f"INSERT INTO raw_products ({names}) VALUES ({marks}) RETURNING id", row))  # noqa: S608

    def edit(self, product: int, **columns: Any) -> None:
        """Change a row as a scraper does."""
        assignments = ", ".join(f"{name} = %({name})s" for name in columns)
        self.owner.execute(
            f"UPDATE raw_products SET {assignments} WHERE id = %(id)s".encode(),  # noqa: S608  names of ours
            {**columns, "id": product},
        )

    def state(self, product: int) -> str | None:
        """Its ximilar_status; None: the row is gone."""
        found: str | None = self.value("SELECT ximilar_status FROM raw_products WHERE id = %s", [product])
        return found

    def rows(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return self.owner.execute(query.encode(), parameters).fetchall()

    def value(self, query: str, parameters: Any = None) -> Any:
        rows = self.rows(query, parameters)
        return rows[0][0] if rows else None

    def sync(self) -> None:
        """What ximilar_sync does, to the end of the jobs it queued."""
        self.begin("sync")
        self.work()

    def begin(self, kind: runs.Kind) -> None:
        self.run(runs.begin(self.database, kind, batch_size=1000, max_seconds=3600))

    def resend(self, sku: str) -> int:
        """What `ximilar-sync resend SKU` does; returns how many products it queued."""

        async def enqueue() -> int:
            async with self.database.transaction() as tx:
                await tx.run("lock_enqueueing")
                return int(await tx.value("enqueue_resend", sku=sku))

        return int(self.run(enqueue()))

    def reconcile(self) -> Row:
        """One comparison, without the work that follows from it."""
        return self.run(reconcile.run_pass(self.database, self.services.collection))  # type: ignore[no-any-return]

    def time_passes(self, minutes: int = 11) -> None:
        """Let so much time pass for whatever waits."""
        for moments in ("removals SET found_at = found_at", "raw_products SET updated_at = updated_at"):
            self.owner.execute(f"UPDATE {moments} - interval '{minutes} min'".encode())
        self.owner.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE queue_name = 'products'")
        self.calm()

    def touched(self) -> int:
        """What the task of each minute does with the trigger's notes."""
        return self.run(touched.queue_touched(self.database, self.services.collection))  # type: ignore[no-any-return]

    def work(self, at_most: int = 1000) -> None:
        """Do waiting product jobs until there are none, or so many are done."""
        for _ in range(at_most):
            job = self.next_job()
            if job is None:
                return
            self.do(job)
        assert self.next_job() is None, "jobs without end"

    def next_job(self) -> int | None:
        """The job a worker would fetch next."""
        found: int | None = self.value(
            "SELECT id FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = 'products'"
            " ORDER BY priority DESC, id LIMIT 1"
        )
        return found

    def do(self, job_id: int) -> str:
        """Do one job, end it as procrastinate would, and return what became of it; a crash leaves it to a rescue."""
        ((task, arguments, attempts),) = self.rows(
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s RETURNING task_name, args, attempts",
            [job_id],
        )
        try:
            outcome = self.run(
                self._task(task, Ticket(arguments.pop("product_id"), job_id, attempts), arguments)
            )
        except (PutBack, Crash) as error:
            self.owner.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", [job_id])
            return type(error).__name__
        self.owner.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', false)", [job_id])
        return str(outcome)

    async def _task(self, task: str, ticket: Ticket, arguments: Row) -> str:
        if task == "remove_photos":
            return await removal.remove_photos(self.services, ticket)
        run_id = arguments.pop("run_id", None)
        return await sync.sync_product(
            self.services, Ticket(ticket.product_id, ticket.job_id, ticket.attempt, run_id), **arguments
        )

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def wanted(self) -> dict[tuple[str, str], Row]:
        """{(SKU, address): metadata} of what the catalogue says."""
        rows = self.rows(
            "SELECT external_id, brand, name, category, nullif(price, 'NaN')::text, image_urls FROM raw_products"
            " WHERE image_status IN ('uploaded', 'collage_ready') ORDER BY id"
        )
        wanted = {}
        for sku, brand, name, category, price, urls in rows:
            metadata = {"sku_id": sku, "brand": brand, "name": name, "category": category, "price": price}
            said = {key: value for key, value in metadata.items() if value is not None}
            for url in _valid(urls):
                wanted[sku, url] = {**said, "currency": "AED"}
        return wanted


def _valid(urls: Any) -> Iterable[str]:
    entries = urls if isinstance(urls, list) else []
    return [url for url in entries if isinstance(url, str) and url.startswith("https://photos.example.com/")]


def urls(sku: str, *places: int) -> list[str]:
    """Addresses of a product's photos."""
    return [f"https://photos.example.com/{sku}/{place}.jpg" for place in places]
