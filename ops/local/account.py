"""The account under which a server runs that refuses to run as root.

Ordinary users run such servers as themselves; root runs them as ``nobody``. The permissions of folders that
were there before are never changed: whoever needs a place that ``nobody`` can reach makes a new one.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """User and group id of a server's processes; both None where this process's own are right."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def for_servers(cls) -> Account:
        """Return ``nobody`` for root and the user itself for everybody else."""
        if os.geteuid() != 0:
            return cls()
        entry = pwd.getpwnam(UNPRIVILEGED)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def process_options(self) -> dict[str, Any]:
        """Arguments for `subprocess.Popen`; the working folder is one that every account can enter."""
        if self.uid is None:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, path: Path) -> bool:
        """Whether the account can search the folder, or execute the file, through all of its parents."""
        test = ["sh", "-c", 'test -x "$0"', str(path)]
        return subprocess.run(test, **self.process_options, check=False).returncode == 0

    def own(self, path: Path) -> None:
        """Give the account what lies at `path`, which this process has just made, and all below it."""
        if self.uid is None or self.gid is None:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), self.uid, self.gid, follow_symlinks=False)
