"""Asks a database for all figures, without a process around it."""

from __future__ import annotations

from procrastinate_app import settings
from procrastinate_app.metrics import groups
from procrastinate_app.metrics.families import FAMILIES
from procrastinate_app.metrics.samples import Distribution, Sample
from tests.fix_system import COLLECTION


def ask(url: str, *, collection: str = COLLECTION) -> dict[str, float | Distribution]:
    """{metric(labels): value} of all groups, asked once."""
    environ = {"STAGING_DB_URL": url, "XIMILAR_COLLECTION_ID": collection}
    read = settings.Settings.from_env(environ, settings.DATABASE)
    return {_key(sample): sample.value for group in groups.GROUPS for sample in groups.ask(read, group)}


def _key(sample: Sample) -> str:
    assert sample.family.name in FAMILIES
    assert len(sample.labels) == len(sample.family.labels)
    return sample.family.name.removeprefix("ximilar_") + (
        f"({','.join(sample.labels)})" if sample.labels else ""
    )
