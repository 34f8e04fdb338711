"""The folder that the processes of one gunicorn share for their metrics and for the last probe of Ximilar.

PROMETHEUS_MULTIPROC_DIR names it, else it is a temporary one, in memory where that is possible.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

OWNER = "GATEWAY_FOLDER_OWNER"
PREFIX = "ximilar-gateway-"
ENDED = 0  # in the place of a process id
_OURS = ("*.db", "*.lock", "process_*.json", "process_*.new", "probe.*")


def claim(environ: MutableMapping[str, str], pid: int | None = None) -> str:
    """Return the folder of this gunicorn, made if need be; the same when it reads its settings again."""
    own_pid = str(pid or os.getpid())
    named = environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    if _is_temporary(named) and environ.get(OWNER) != own_pid:
        named = ""  # inherited from the gunicorn that this one replaces
    if not named:
        named = tempfile.mkdtemp(prefix=PREFIX, dir=_memory(environ))
    Path(named).mkdir(parents=True, exist_ok=True)
    environ[OWNER] = own_pid
    return named


def wipe(folder: str) -> None:
    """Remove what a former run has left."""
    for pattern in _OURS:
        for path in Path(folder).glob(pattern):
            path.unlink(missing_ok=True)


def forget(folder: str, pid: int) -> None:
    """Remove what an ended process showed of itself, and add what it counted to that of those before it.

    Counters never go back, and prometheus_client would keep a file of 1 MiB for every process there ever was.
    """
    with locked(folder):
        for kind in ("counter", "histogram"):
            _add_up(Path(folder, f"{kind}_{pid}.db"), Path(folder, f"{kind}_{ENDED}.db"))
        for path in (*Path(folder).glob(f"gauge_live*_{pid}.db"), Path(folder, f"process_{pid}.json")):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the folder's lock: alone to move counts between files, `shared` to read them."""
    descriptor = os.open(Path(folder, "counts.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def release(folder: str) -> None:
    """Remove the folder if it is a temporary one."""
    if _is_temporary(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _add_up(source: Path, target: Path) -> None:
    # Only here, since it looks for PROMETHEUS_MULTIPROC_DIR when it is first imported.
    from prometheus_client.mmap_dict import MmapedDict

    if not source.exists():
        return
    counts = MmapedDict(str(target))  # type: ignore[no-untyped-call]
    for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(source)):  # type: ignore[no-untyped-call]
        counts.write_value(key, counts.read_value(key)[0] + value, timestamp)  # type: ignore[no-untyped-call]
    counts.close()  # type: ignore[no-untyped-call]
    source.unlink()


def _is_temporary(folder: str) -> bool:
    return Path(folder).name.startswith(PREFIX)


def _memory(environ: Mapping[str, str]) -> str | None:
    memory = environ.get("RUNTIME_DIRECTORY") or "/dev/shm"  # noqa: S108 - mkdtemp makes it ours alone
    return memory if os.access(memory, os.W_OK) else None
