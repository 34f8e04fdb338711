"""Which processes of this machine are alive."""

from __future__ import annotations

import os
import subprocess
import sys

from procrastinate_app.process import is_dead, this_process


def test_this_process_lives() -> None:
    process = this_process()
    assert process.pid == os.getpid()
    assert not is_dead(process.identity)


def test_a_process_that_ended_is_dead() -> None:
    code = "from procrastinate_app.process import this_process; print(this_process().identity)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_dead(ended.stdout.strip())


def test_a_pid_that_was_given_again_is_another_process() -> None:
    identity = this_process().identity
    assert is_dead(identity.rpartition("@")[0] + "@1")


def test_a_process_elsewhere_is_not_known_to_be_dead() -> None:
    process = this_process()
    assert not is_dead(process.identity.replace(process.place, "another-boot/1"))
    assert not is_dead("another-boot/4026531836/1@1")
