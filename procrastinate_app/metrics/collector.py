"""Shows the latest snapshots to prometheus-client."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..presence import version
from . import credit
from . import families as f
from .families import Family
from .groups import LIVE
from .samples import Distribution, Sample
from .watch import Snapshot, Watch

_CLASSES: Mapping[str, type[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


class SyncCollector(Collector):
    """The figures of `watches`; `capacity` is how many photos the collection may hold, 0 if that is unknown."""

    def __init__(self, watches: Sequence[Watch], *, capacity: int = 0) -> None:
        self._watches = watches
        self._capacity = capacity

    def collect(self) -> Iterable[Metric]:
        """Return what is known now; of the groups that could not be asked, only that."""
        found: dict[str, Metric] = {}
        for sample in self._samples():
            if sample.family.name not in found:
                found[sample.family.name] = _empty(sample.family)
            _add(found[sample.family.name], sample)
        return found.values()

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without values, so that registering asks nobody."""
        return [_empty(family) for family in f.FAMILIES.values()]

    def _samples(self) -> Iterable[Sample]:
        yield Sample(f.BUILD, 1, (version(), platform.python_version()))
        if self._capacity:
            yield Sample(f.CAPACITY, self._capacity)
        latest = {watch.name: watch.latest() for watch in self._watches}
        up = LIVE.name in latest and latest[LIVE.name].ok
        yield Sample(f.UP, float(up))
        for name, snapshot in latest.items():
            yield from self._of_group(name, snapshot, up=up)

    def _of_group(self, name: str, snapshot: Snapshot, *, up: bool) -> Iterable[Sample]:
        yield Sample(f.GROUP_UP, float(snapshot.ok), (name,))
        # The costly groups notice later that the database is away, and what they know is old by then. Credits
        # are not the database's.
        if snapshot.ok and (up or name == credit.NAME):
            yield Sample(f.GROUP_AGE, time.monotonic() - snapshot.taken, (name,))
            yield Sample(f.GROUP_SECONDS, snapshot.seconds, (name,))
            yield from snapshot.samples


def _empty(family: Family) -> Metric:
    return _CLASSES[family.kind](family.name, family.help, labels=family.labels)


def _add(metric: Metric, sample: Sample) -> None:
    if isinstance(metric, HistogramMetricFamily):
        assert isinstance(sample.value, Distribution)
        metric.add_metric(sample.labels, sample.value.buckets, sample.value.sum)
    else:
        assert isinstance(metric, GaugeMetricFamily | CounterMetricFamily)
        assert not isinstance(sample.value, Distribution)
        metric.add_metric(sample.labels, sample.value)
