"""Who may import whom; the arrows of the design as rules."""

from __future__ import annotations

import ast
import functools
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .sources import nodes, tree

ROOT = Path(__file__).parents[2]
WORKER = "procrastinate_app"
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 50

# What nothing in the worker may lie beneath: they import nothing of ours at all.
LEAVES = {f"{WORKER}.{name}" for name in ("environment", "logs", "process", "queries", "schedule")}
# All that the gateway, which has no database, may know of the worker.
OF_THE_GATEWAY = tuple(
    f"{WORKER}.{name}" for name in ("ximilar", "variables", "environment", "logs", "tracing")
)
# Pure: neither the database nor Ximilar is called here.
PURE = {
    f"{WORKER}.{name}" for name in ("product", "plan", "keyed_plan", "record_ids", "deadlines", "schedule")
}
# Where a driver, a queue or an HTTP library may be named.
MAY_IMPORT = {
    "psycopg": {
        "database",
        "connection",
        "timeline",
        "connector",
        "migrations",
        "retry",
        "presence",
        "sending",
        "supervisor",
        "cli",
        "metrics",
    },
    "psycopg_pool": {"database"},
    "procrastinate": {
        *("app", "connector", "jobs", "migrations", "retry", "supervisor", "tasks"),
        "cli",
    },
    "requests": {"ximilar"},
    "urllib3": {"ximilar"},
    "aiohappyeyeballs": {"ximilar"},
    "aiohttp": set[str](),
    "httptools": {"ximilar"},
    "structlog": {"logs"},
    "dotenv": {"environment"},
    "rich": {"cli"},
    "falcon": set[str](),
    "prometheus_client": {"metrics"},
}
# tracing: OpenTelemetry's own variables, which its SDK reads in the same way.
READS_THE_ENVIRONMENT = {f"{WORKER}.environment", f"{WORKER}.tracing"}


def modules(folder: str) -> dict[str, Path]:
    """{dotted name: file} of a package."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports(name: str, path: Path) -> tuple[str, ...]:
    """The dotted names a module imports, relative ones resolved."""
    return tuple(_imports(name, path))


def _imports(name: str, path: Path) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


ALL = {**modules(WORKER), **modules("web")}
OURS = {name for name in ALL if name.startswith(WORKER)}


def ours_in(name: str) -> set[str]:
    """The modules of ours that a module imports."""
    found = set()
    for imported in imports(name, ALL[name]):
        parts = imported.split(".")
        candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        found.add(next((candidate for candidate in candidates if candidate in ALL), ""))
    return found - {"", name}


def outside_in(name: str) -> set[str]:
    """The top-level names of everything else it imports."""
    return {imported.partition(".")[0] for imported in imports(name, ALL[name])} - {WORKER, "web", "ops"}


def part(name: str) -> str:
    """procrastinate_app.ximilar.errors -> ximilar"""
    return name.split(".")[1] if "." in name else ""


def under(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in allowed)


def test_leaves_import_nothing_of_ours() -> None:
    assert {name: ours_in(name) for name in LEAVES if ours_in(name)} == {}


def test_the_client_knows_nothing_of_the_worker() -> None:
    for name in OURS:
        if part(name) == "ximilar":
            assert all(under(imported, (f"{WORKER}.ximilar",)) for imported in ours_in(name)), name


def test_the_gateway_knows_only_the_client_and_the_settings() -> None:
    for name in ALL:
        if name.startswith("web.gateway"):
            theirs = {imported for imported in ours_in(name) if imported.startswith(WORKER)} - {WORKER}
            assert all(under(imported, OF_THE_GATEWAY) for imported in theirs), (name, theirs)
            assert not outside_in(name) & {"psycopg", "psycopg_pool", "procrastinate", "requests"}, name


def test_the_worker_knows_nothing_of_the_web_nor_of_ops() -> None:
    for name in OURS:
        assert not {
            imported for imported in imports(name, ALL[name]) if imported.split(".")[0] in ("web", "ops")
        }


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_a_library_is_named_only_where_it_belongs(library: str) -> None:
    found = {part(name) for name in OURS if library in outside_in(name)}
    assert found <= MAY_IMPORT[library]


def test_pure_modules_touch_neither_loop_nor_driver() -> None:
    for name in PURE:
        assert not outside_in(name) & {
            "asyncio",
            "psycopg",
            "requests",
            "procrastinate",
            "time",
            "random",
            "os",
        }, name


def test_the_core_of_the_client_does_no_io() -> None:
    for name in OURS:
        if part(name) == "ximilar" and not name.endswith(("_transport", ".http_connection", ".http_pool")):
            assert not outside_in(name) & {
                "requests",
                "urllib3",
                "aiohttp",
                "socket",
                "asyncio",
                "threading",
                "ssl",
            }, name


def test_only_the_command_line_and_the_composition_know_the_command_line() -> None:
    importers = {name for name in OURS if any(part(imported) == "cli" for imported in ours_in(name))}
    assert {part(name) for name in importers} <= {"cli", "__main__"}


def test_there_are_no_cycles() -> None:
    graph = {name: ours_in(name) - {name.rpartition(".")[0]} for name in ALL}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_environment_is_read_in_one_place() -> None:
    touching = set()
    for name in OURS:
        for node in nodes(ALL[name]):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv"):
                touching.add(name)
    assert touching <= READS_THE_ENVIRONMENT


def test_only_main_does_something_when_it_is_imported() -> None:
    loading = {
        name for name in OURS if any("from_env" in ast.unparse(node) for node in top_level_calls(name))
    }
    assert loading == set()
    assert "app = _load()" in ALL[f"{WORKER}.main"].read_text()


def top_level_calls(name: str) -> Iterator[ast.stmt]:
    for node in tree(ALL[name]).body:
        if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign):
            yield node


def test_the_package_itself_is_empty() -> None:
    """The gateway imports through it."""
    assert (ROOT / WORKER / "__init__.py").read_text() == ""


def test_modules_are_short_and_say_what_they_are_for() -> None:
    for name, path in ALL.items():
        text = path.read_text()
        assert len(text.splitlines()) < MAX_MODULE_LINES, name
        assert not text or ast.get_docstring(tree(path)), name


def test_functions_are_short() -> None:
    long = [
        f"{name}:{node.lineno} {node.name}"
        for name, path in ALL.items()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_evaluates_annotations_late() -> None:
    for name, path in ALL.items():
        text = path.read_text()
        imported = [node for node in tree(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not imported or "from __future__ import annotations" in text, name


def test_names_that_say_nothing_are_not_used() -> None:
    assert {name.rpartition(".")[2] for name in ALL} & {
        "utils",
        "helpers",
        "common",
        "base",
        "core",
        "manager",
    } == set()
