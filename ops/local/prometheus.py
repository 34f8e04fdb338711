"""Prometheus over the local system, with the rules of production, where its program is installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from ops.local.loopback import HOST
from ops.local.programs import ROOT, Program, Programs
from ops.local.system import python

RULES = ROOT / "ops/prometheus/ximilar-sync.rules.yml"
INTERVALS = {"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "5s"}


def start(programs: Programs, state: Path, gateway_url: str) -> str:
    """Start the exporter, and Prometheus if it is there; return what to tell about them."""
    programs.environ["METRICS_PORT"] = "0"
    exporter = Program(
        "exporter", python("", "procrastinate_app", "exporter").command, r'"url": "(http://[^"]+)"'
    )
    metrics = programs.start(exporter).group(1)
    binary = shutil.which("prometheus")
    if binary is None:
        return f"{metrics}; prometheus itself is not installed (apt-get install prometheus)"
    folder = state / "prometheus"
    folder.mkdir(exist_ok=True)
    config = folder / "prometheus.json"
    config.write_text(
        json.dumps(_config({"ximilar-sync": metrics, "ximilar-gateway": gateway_url})), encoding="utf-8"
    )
    command = (
        *(binary, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address={HOST}:0",
    )
    listening = programs.start(Program("prometheus", command, r'msg="Listening on" address=(\S+)'))
    return f"http://{listening.group(1)}/alerts over {metrics}"


def _config(jobs: dict[str, str]) -> dict[str, object]:
    """The configuration, as JSON, which is YAML as well; `jobs` are their names and URLs."""
    scraped = [
        {"job_name": name, "static_configs": [{"targets": [urlsplit(url).netloc]}]}
        for name, url in jobs.items()
    ]
    return {"global": INTERVALS, "rule_files": [str(RULES)], "scrape_configs": scraped}
