"""Reads a Dockerfile, and carries its instructions out below a folder, with the programs of this machine.

Absolute paths of ENV, WORKDIR and COPY are taken to be below that folder; RUN runs as it is written.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

SECONDS = 300


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continued lines joined."""

    word: str
    argument: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One `FROM base AS name` and what follows it."""

    base: str
    name: str
    instructions: tuple[Instruction, ...]

    def arguments(self, word: str) -> list[str]:
        """The arguments of all instructions of one kind."""
        return [instruction.argument for instruction in self.instructions if instruction.word == word]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole Dockerfile."""

    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a Dockerfile whose stages all have names, or which has one."""
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
        found = [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]
        starts = [number for number, one in enumerate(found) if one.word == "FROM"] + [len(found)]
        return cls(tuple(_stage(found[a:b]) for a, b in itertools.pairwise(starts)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the stages."""
        return tuple(stage.name for stage in self.stages)


@dataclass(slots=True)
class Rehearsal:
    """Carries a stage out: `root` is the image's root, `context` the build's folder."""

    root: Path
    context: Path
    environ: dict[str, str]
    output: str = ""
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.root

    def carry_out(self, stage: Stage) -> None:
        """Carry out ENV, WORKDIR, COPY and RUN. Raises CalledProcessError where a RUN fails."""
        for instruction in stage.instructions:
            match instruction.word:
                case "ENV":
                    self.set(instruction.argument)
                case "WORKDIR":
                    self.folder = Path(self._below(instruction.argument))
                    self.folder.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(instruction.argument)
                case "RUN":
                    self._run(instruction.argument)

    def set(self, argument: str) -> None:
        """Carry out an ENV; all of its values are expanded with what was set before it."""
        pairs = [pair.split("=", 1) for pair in argument.split()]
        expanded = {name: Template(value).safe_substitute(self.environ) for name, value in pairs}
        self.environ |= {name: self._below(value) for name, value in expanded.items()}

    def _copy(self, argument: str) -> None:
        *sources, _target = argument.split()
        for path in context_files(self.context):
            if any(source == "." or source == path.as_posix() for source in sources):
                target = self.folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.context / path, target)

    def _run(self, argument: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-ec", argument],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.output += done.stdout
        done.check_returncode()

    def _below(self, path: str) -> str:
        if not path.startswith("/") or path.startswith(str(self.root)):
            return path
        return f"{self.root}{path}"


def context_files(context: Path) -> Iterator[Path]:
    """The files that `docker build` sees, relative to its folder: .dockerignore's last match decides."""
    lines = (context / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    allowed = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    for top in sorted(context.iterdir()):
        if top.name in allowed:  # everything else is refused by `*`
            yield from (path for path in _files(top, context) if not _ignored(path, patterns))


def _files(top: Path, context: Path) -> Iterator[Path]:
    if top.is_file():
        yield top.relative_to(context)
        return
    for folder, _folders, names in os.walk(top):
        yield from (Path(folder, name).relative_to(context) for name in names)


def _ignored(path: Path, patterns: list[str]) -> bool:
    verdict = False
    for pattern in patterns:
        if _matches(path, pattern.removeprefix("!")):
            verdict = not pattern.startswith("!")
    return verdict


def _matches(path: Path, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatch(part, pattern[3:]) for part in path.parts)
    return fnmatch.fnmatch(path.parts[0], pattern)


def _stage(instructions: list[Instruction]) -> Stage:
    base, _, name = instructions[0].argument.partition(" AS ")
    return Stage(base, name, tuple(instructions[1:]))
