"""What the documents name exists: files, commands, options, variables, headings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ops.docs import settings
from procrastinate_app.cli.parser import make_parser

ROOT = Path(__file__).parents[3]
DOCUMENTS = [*sorted((ROOT / "ops/docs").glob("*.md")), ROOT / "ops/pgbouncer/README.md"]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
FILE = re.compile(r"(?<![\w/.-])((?:ops|sql|web|procrastinate_app)/[\w./-]*\w)")
COMMAND = re.compile(r"(?<![\w/.-])ximilar-sync ([a-z]+(?: (?:--?[\w-]+|\d+|SKU[\w-]*))*)")
VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]\b")
# Of the shell, of tools, or of the procedures themselves.
OTHERS = {
    *("OWNER_URL", "PGBOUNCER_URL", "GATEWAY_TOKEN", "PHOTO_URL", "ON_ERROR_STOP", "XIMILAR_ENV_FILE"),
    *("COMPOSE_FILE", "COMPOSE_PROFILES", "PRIVATE_ADDRESS", "IMAGE_TAG"),
}


def identifier(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=identifier)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text()):
        if target.startswith("http"):
            continue
        linked = (path.parent / target).resolve() if target else path
        assert linked.is_file(), target
        if anchor:
            assert anchor[1:] in anchors(linked), f"{target}{anchor}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=identifier)
def test_files_named_exist(path: Path) -> None:
    missing = {name for name in FILE.findall(path.read_text()) if not (ROOT / name).exists()}
    assert not missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=identifier)
def test_commands_named_are_understood(path: Path) -> None:
    for command in COMMAND.findall(path.read_text()):
        make_parser().parse_args(shlex.split(command))  # exits, and so fails, where it does not know one


@pytest.mark.parametrize("path", DOCUMENTS, ids=identifier)
def test_variables_named_are_read_by_a_program(path: Path) -> None:
    unknown = set(VARIABLE.findall(path.read_text())) - settings.variables().keys() - OTHERS
    assert not unknown


def anchors(path: Path) -> set[str]:
    """The anchors that a Markdown viewer gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
