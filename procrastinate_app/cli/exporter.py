"""The command that serves metrics."""

from __future__ import annotations

import argparse
import errno
import sys

from ..metrics.exporter import export
from ..settings import Settings
from .output import Output


def exporter(_arguments: argparse.Namespace, settings: Settings, _output: Output) -> int:
    """Serve the metrics in the foreground; 1 if the address cannot be had."""
    try:
        return export(settings)
    except OSError as error:
        reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
        address = f"{settings.metrics_host}:{settings.metrics_port}"
        print(f"METRICS_HOST, METRICS_PORT: {address} cannot be listened on ({reason})", file=sys.stderr)
        return 1
