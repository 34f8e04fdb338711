"""ops/docs/rebuild.md, followed: every tested command, in its order, on a host that lies below a folder.

Left out is only what would change this machine: systemd, the groups and the kernel's firewall are stand-ins.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.local import staging
from ops.local.postgres import Cluster
from tests import canaries
from tests.fix_pgbouncer import PgBouncer
from tests.fix_postgres import Database
from tests.integration.deployment import documents
from tests.integration.deployment.bare_staging import bare_staging
from tests.integration.deployment.recipe import context_files

ROOT = Path(__file__).parents[3]
PAGE = "rebuild.md"
pytestmark = pytest.mark.timeout(400)  # it installs everything

UNREACHABLE = (
    "NewConnectionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
)
STAND_IN = '#!/bin/sh\necho "$(basename "$0") $*" >> "{calls}"\n'
# Units that Ubuntu's packages bring.
PACKAGED = {"nftables", "prometheus-node-exporter"}
TOKEN = canaries.PLANTED["token"]


@dataclass(slots=True)
class Host:
    """A bare host below a folder; `calls` is what its stand-ins were asked."""

    root: Path
    environ: dict[str, str]

    @property
    def project(self) -> Path:
        return self.root / documents.INSTALLED.removeprefix("/")

    @property
    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()

    def follow(self, heading: str) -> str:
        """Type what the page says under a heading; return what it printed."""
        output = ""
        for block in documents.runnable(PAGE, heading):
            done = documents.run(self._here(block.text), self.environ, self.root)
            if any(sign in done.stdout + done.stderr for sign in UNREACHABLE):
                pytest.skip("no package index can be reached")
            assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            output += done.stdout
        return output

    def fill_in(self, **values: str) -> None:
        """Fill in `.env`, as a person does."""
        path = self.project / ".env"
        text = path.read_text()
        for name, value in values.items():
            text, found = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
            assert found == 1, name
        path.write_text(text)

    def _here(self, text: str) -> str:
        # The folder for the hosts' group, which this machine does not have.
        text = text.replace("-g ximilar-sync", f"-g {os.getegid()}")
        return re.sub(r"(?<![\w/])(/opt|/etc)/", rf"{self.root}\1/", text)


@pytest.fixture
def staging_database(cluster: Cluster, template: str, role_password: str) -> Iterator[Database]:
    """Staging with its tables and the role, and nothing of ours."""
    with bare_staging(cluster, role_password) as database:
        yield database


@pytest.fixture
def host(tmp_path: Path, staging_database: Database, pgbouncer: PgBouncer) -> Host:
    """A host after steps 1 and 2: the packages are there, and the project."""
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed (apt-get install postgresql-client)")
    pgbouncer.start()
    environ = {
        "PATH": f"{_stand_ins(tmp_path)}:{os.environ['PATH']}",
        "OWNER_URL": staging_database.owner_url,
        "PGBOUNCER_URL": pgbouncer.admin_url,
        "XIMILAR_ENV_FILE": ".env",
    }
    host = Host(tmp_path, environ)
    for path in (*context_files(ROOT), Path(".env.example")):
        target = host.project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target)
    for folder in ("etc/systemd/system", "etc"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    return host


def _stand_ins(folder: Path) -> Path:
    stand_ins = folder / "stand-ins"
    stand_ins.mkdir()
    for name in ("systemctl", "groupadd", "nft"):
        (stand_ins / name).write_text(STAND_IN.format(calls=folder / "calls"))
        (stand_ins / name).chmod(0o755)
    return stand_ins


def test_page_leads_to_a_system_that_could_start(
    host: Host, pgbouncer: PgBouncer, staging_database: Database
) -> None:
    host.follow("3. Settings")
    assert (host.project / ".env").stat().st_mode & 0o777 == 0o600
    host.fill_in(
        STAGING_DB_URL=pgbouncer.url(staging.ROLE, staging_database.name),
        XIMILAR_API_TOKEN=TOKEN,
        XIMILAR_COLLECTION_ID="rebuilt",
    )

    assert "usage: ximilar-sync" in host.follow("4. The virtual environment")

    shown = host.follow("5. The database (once, not once a host)")
    assert "complete" in shown
    assert "applied 001_tables.sql" in shown
    assert TOKEN not in shown

    host.follow("6. The programs")
    host.follow("7. The machine's own metrics")
    host.follow("8. The firewall")
    _demand_that_units_exist(host)
    _demand_that_unit_programs_exist(host)
    assert (host.root / "etc/nftables.conf").read_text() == (ROOT / "ops/firewall/worker.nft").read_text()


def _demand_that_units_exist(host: Host) -> None:
    """Every unit that systemctl was told to enable is there."""
    enabled = [call.split()[2:] for call in host.calls if call.startswith("systemctl enable")]
    names = {name for arguments in enabled for name in arguments if not name.startswith("-")} - PACKAGED
    assert names == {"ximilar-worker", "ximilar-exporter", "ximilar-gateway", "node_exporter"}
    for name in names:
        assert (host.root / f"etc/systemd/system/{name}.service").is_file()
    assert (host.root / "etc/systemd/system/ximilar-.service.d/20-hardening.conf").is_file()


def _demand_that_unit_programs_exist(host: Host) -> None:
    """What the units start is where they look for it, and starts."""
    for unit in (host.root / "etc/systemd/system").glob("ximilar-*.service"):
        program = re.findall(r"ExecStart=(\S+)", unit.read_text())[0]
        done = subprocess.run([f"{host.root}{program}", "--version"], capture_output=True, check=False)
        assert done.returncode == 0, unit.name
