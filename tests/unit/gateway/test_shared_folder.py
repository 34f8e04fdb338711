"""The folder gunicorn's processes share: kept over a reload, its own after a re-exec, cleared of the dead."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from web.gateway import shared_folder


def test_a_reload_keeps_it_and_another_gunicorn_gets_its_own() -> None:
    environ: dict[str, str] = {}
    first = environ["PROMETHEUS_MULTIPROC_DIR"] = shared_folder.claim(environ, pid=1)
    assert shared_folder.claim(environ, pid=1) == first
    second = shared_folder.claim(environ, pid=2)
    assert second != first
    for folder in (first, second):
        shared_folder.release(folder)
        assert not Path(folder).exists()


def test_one_that_is_named_is_made_wiped_and_kept(tmp_path: Path) -> None:
    named = tmp_path / "metrics"
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(named)}
    assert shared_folder.claim(environ, pid=1) == str(named)
    (named / "counter_7.db").touch()
    (named / "notes.txt").touch()
    shared_folder.wipe(str(named))
    assert [path.name for path in named.iterdir()] == ["notes.txt"]
    shared_folder.release(str(named))
    assert named.exists()


def _count(folder: Path, pid: int, **values: float) -> None:
    counts = MmapedDict(str(folder / f"counter_{pid}.db"))  # type: ignore[no-untyped-call]
    for key, value in values.items():
        counts.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    counts.close()  # type: ignore[no-untyped-call]


def test_the_dead_leave_only_what_they_counted(tmp_path: Path) -> None:
    for name in ("gauge_livesum_7.db", "gauge_livemax_7.db", "process_7.json", "process_8.json"):
        (tmp_path / name).touch()
    _count(tmp_path, 7, a=1.0, b=2.0)
    _count(tmp_path, 8, b=5.0)
    _count(tmp_path, 9, a=1.0)
    for pid in (7, 8, 10):
        shared_folder.forget(str(tmp_path), pid)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["counter_0.db", "counter_9.db", "counts.lock"]
    counted = MmapedDict.read_all_values_from_file(str(tmp_path / "counter_0.db"))  # type: ignore[no-untyped-call]
    assert {key: value for key, value, _, _ in counted} == {"a": 1.0, "b": 7.0}
