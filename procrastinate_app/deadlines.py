"""The order of deadlines, in seconds, each longer than the one before, so that the inner one always ends first.

call < job < graceful < statement < abandon < stop < rescue. `stop` is for those who stop the process: compose's
stop_grace_period and systemd's TimeoutStopSec.
"""

from __future__ import annotations

from .ximilar.calls import CALL_SECONDS

CALL = CALL_SECONDS  # one request to Ximilar
PUSH = 20.0  # a job starts no new call so long after its first: the rest goes back to the queue
JOB = PUSH + CALL  # one product
GRACEFUL = 60.0  # a worker asked to stop waits so long for its jobs
FINISH = 10.0  # then for answers whose job was cancelled
STATEMENT = 65.0  # a database that has not answered by then is frozen; the role's statement_timeout is 60 s
ABANDON = (
    GRACEFUL + FINISH
)  # a worker asked to stop ends, whatever it could not put back for want of a database
STOP = 75.0  # then whoever asked it kills it
RESCUE_PRODUCT = 120.0  # a product job that is `doing` for longer is nobody's
RESCUE_CONTROL = 900.0  # enqueueing a million products may take its time

BEAT = 5.0  # between two heartbeats
SILENT = 30.0  # a worker that has not beaten for so long is dead

assert CALL < JOB < GRACEFUL < STATEMENT < ABANDON < STOP < RESCUE_PRODUCT < RESCUE_CONTROL
