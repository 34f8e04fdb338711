"""python -m ops.compose.setup: prepares the development database of ops/compose/development.yaml.

Makes the role, the tables, the grants and the schema, and loads the sample catalogue once. Refuses a database
that it did not make.
"""

from __future__ import annotations

import os
import secrets
import sys

import psycopg

from ops.local import products, staging
from ops.local.products import SAMPLE, Catalogue
from procrastinate_app.migrations import migrate


def main() -> int:
    """Prepare the database that OWNER_URL names; return the exit code."""
    try:
        with psycopg.connect(os.environ["OWNER_URL"], autocommit=True) as owner:
            # The server trusts whoever reaches it; the role has a password because roles have one.
            staging.prepare(owner, secrets.token_urlsafe(24))
            loaded = _load_once(owner, os.environ["PHOTOS_URL"])
        applied = migrate(os.environ["STAGING_DB_URL"])
    except KeyError as error:
        print(f"{error.args[0]} is not set", file=sys.stderr)
        return 2
    except staging.ForeignDatabaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(applied)} migrations applied, {loaded} products loaded")
    return 0


def _load_once(owner: psycopg.Connection, photos_url: str) -> int:
    if owner.execute("SELECT FROM public.raw_products LIMIT 1").rowcount:
        return 0
    catalogue = Catalogue.read(SAMPLE)
    products.load(owner, catalogue.products, photos_url)
    return len(catalogue.products)


if __name__ == "__main__":
    sys.exit(main())
