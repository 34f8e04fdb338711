"""Reads the command blocks of the documents: what a reader is told to type, so that tests type the same.

A block that opens with ```sh tested is run by a test; one that opens with ```sh needs a machine of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
INSTALLED = "/opt/ximilar-sync"
SECONDS = 240

_LINE = re.compile(r"^(?P<level>#+) (?P<title>.*)$|^(?P<fence>```)(?P<info>.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one block, and the heading it stands under."""

    heading: str
    text: str
    tested: bool


def blocks(name: str) -> list[Block]:
    """The `sh` blocks of a document in ops/docs/ that stand at the margin, in their order."""
    text = (ROOT / "ops/docs" / name).read_text(encoding="utf-8")
    found, heading, opened, info = [], "", -1, ""
    for line in _LINE.finditer(text):
        if not line["fence"]:
            heading = line["title"] if opened < 0 else heading
        elif opened < 0:
            opened, info = line.end() + 1, line["info"].strip()
        else:
            if info in ("sh", "sh tested"):
                found.append(Block(heading, text[opened : line.start()], info != "sh"))
            opened = -1
    return found


def runnable(name: str, heading: str = "") -> list[Block]:
    """The blocks that tests run, of the whole document or under one heading."""
    return [block for block in blocks(name) if block.tested and heading in ("", block.heading)]


def run(
    text: str, environ: Mapping[str, str], folder: Path = ROOT, *, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Type the text into a shell that ends at the first failure."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
