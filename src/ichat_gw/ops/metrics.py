"""The metrics: one table row each, from which everything derives: what counts, what is told, the documents.

Names and units are those that Prometheus recommends: base units, `_total` for what only grows. What happens
is counted when it happens (`Metrics.count`, `Metrics.observe`); what is so at a moment is asked for when
somebody asks for the metrics (`Metrics.expose`), so that it costs a call nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector


class Kind(StrEnum):
    """The types of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table."""

    name: str
    kind: Kind
    sentence: str
    labels: tuple[tuple[str, str], ...] = ()
    """Name and meaning of each."""
    buckets: tuple[float, ...] = ()
    """Upper limits; only of a histogram."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names alone."""
        return tuple(name for name, _ in self.labels)


_DIRECTION = ("direction", "`to_sip`: an XMPP user calls a phone; `to_xmpp`: a phone calls an XMPP user")
_NETWORK = ("network", "whose packets: `sip`, those of the phone, or `xmpp`, those of the user's client")
_WAY = ("way", "`received` from the party, or `sent` to it")
_PART = ("part", "`relay worker 0` and so on, or `rtpengine` and its address")

_DELAYS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
_DURATIONS = (5.0, 15.0, 30.0, 60.0, 180.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
_LOSSES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
_JITTERS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)

CALLS = Metric(
    "ichat_gw_calls",
    Kind.GAUGE,
    "Live calls.",
    (
        (
            "state",
            "how far they have come: `offering`, `calling`, `ringing`, `connecting`, `answered`, `talking`",
        ),
    ),
)
CALLS_STARTED = Metric("ichat_gw_calls_started_total", Kind.COUNTER, "Calls that began.", (_DIRECTION,))
CALLS_ENDED = Metric(
    "ichat_gw_calls_ended_total",
    Kind.COUNTER,
    "Calls that ended.",
    (
        _DIRECTION,
        ("answered", "`yes` or `no`"),
        (
            "cause",
            "the name of the cause in lower case, such as `hangup`, `busy`, `no_answer`, `unreachable`",
        ),
        ("ended_by", "`caller`, `callee` or `gateway`"),
    ),
)
CALLS_REFUSED = Metric(
    "ichat_gw_calls_refused_total",
    Kind.COUNTER,
    "Calls that were refused before they began.",
    (
        ("cause", "the name of the cause in lower case, such as `no_route`, `forbidden`, `overloaded`"),
        ("setting", "the setting that refuses them; blank when none does"),
    ),
)
VERDICTS = Metric(
    "ichat_gw_call_verdicts_total",
    Kind.COUNTER,
    "Ended calls by what became of them.",
    (("code", "the name of the verdict, as in the list of verdicts"),),
)
SETUP = Metric(
    "ichat_gw_call_setup_seconds",
    Kind.HISTOGRAM,
    "From the beginning of a call until the called party rang, or answered without ringing "
    "(RFC 6076 section 4.3).",
    (_DIRECTION,),
    _DELAYS,
)
DURATION = Metric(
    "ichat_gw_call_duration_seconds",
    Kind.HISTOGRAM,
    "From the answer of a call to its end.",
    (_DIRECTION,),
    _DURATIONS,
)
LOSS = Metric(
    "ichat_gw_call_loss_ratio",
    Kind.HISTOGRAM,
    "The share of a party's RTP packets that did not come, for each call that ended.",
    (_NETWORK,),
    _LOSSES,
)
JITTER = Metric(
    "ichat_gw_call_jitter_seconds",
    Kind.HISTOGRAM,
    "The interarrival jitter of a party's RTP (RFC 3550 section 6.4.1), for each call that ended.",
    (_NETWORK,),
    _JITTERS,
)
RTP_PACKETS = Metric(
    "ichat_gw_rtp_packets_total", Kind.COUNTER, "RTP packets that the relay moved.", (_NETWORK, _WAY)
)
RTP_BYTES = Metric(
    "ichat_gw_rtp_bytes_total", Kind.COUNTER, "Their size without IP and UDP headers.", (_NETWORK, _WAY)
)
RTP_LOST = Metric(
    "ichat_gw_rtp_packets_lost_total", Kind.COUNTER, "RTP packets that did not come.", (_NETWORK,)
)
RTP_DROPPED = Metric(
    "ichat_gw_rtp_packets_dropped_total",
    Kind.COUNTER,
    "Packets that came to a relay port and were not passed on.",
    (
        (
            "reason",
            "`stranger`: from somebody else than the party; `malformed`: no RTP; `early`: before the party "
            "was known",
        ),
    ),
)
USERS = Metric("ichat_gw_users", Kind.GAUGE, "XMPP users who have an iChat online.")
REGISTRATIONS = Metric(
    "ichat_gw_registrations",
    Kind.GAUGE,
    "Addresses of record that are to be registered.",
    (("state", "`asking`, `registered`, `failed` or `leaving`"),),
)
REGISTERED = Metric(
    "ichat_gw_registrations_total",
    Kind.COUNTER,
    "Answers of registrars, and missing ones.",
    (("result", "`registered` (refreshed, too), `unregistered` or `failed`"),),
)
READY = Metric("ichat_gw_ready", Kind.GAUGE, "1 when calls can be taken, otherwise 0; as `/readyz`.")
JABBER = Metric(
    "ichat_gw_jabber_connected", Kind.GAUGE, "1 while the component is connected to the XMPP server."
)
JABBER_LOST = Metric(
    "ichat_gw_jabber_disconnections_total", Kind.COUNTER, "Connections with the XMPP server that were lost."
)
CONNECTOR = Metric("ichat_gw_connector_up", Kind.GAUGE, "1 while the connector process runs.")
CONNECTOR_RESTARTS = Metric(
    "ichat_gw_connector_restarts_total", Kind.COUNTER, "How often the connector had to be started again."
)
MEDIA = Metric(
    "ichat_gw_media_up",
    Kind.GAUGE,
    "1 while this part of the media engine works.",
    (_PART, ("loop", "which loop moves a relay worker's packets: `compiled` or `python`; else blank")),
)
MEDIA_CALLS = Metric("ichat_gw_media_calls", Kind.GAUGE, "Calls on this part of the media engine.", (_PART,))
MEDIA_LOST = Metric(
    "ichat_gw_media_lost_total",
    Kind.COUNTER,
    "How often this part of the media engine was lost: a relay worker that died is started again at once.",
    (_PART,),
)
TARGETS = Metric(
    "ichat_gw_sip_targets",
    Kind.GAUGE,
    "SIP servers and phones that we have sent requests to lately.",
    (("state", "`answering`, or `silent`: the last request got no answer, or a server's 503"),),
)
TURNED_AWAY = Metric(
    "ichat_gw_turned_away_total",
    Kind.COUNTER,
    "Requests that a limit or a list kept out: the first sign of an attack, or of a limit that is too low.",
    (("setting", "the setting that did"),),
)
ERRORS = Metric(
    "ichat_gw_internal_errors_total",
    Kind.COUNTER,
    "Errors of our own that the log tells of. Please report them.",
)
BUILD = Metric("ichat_gw_build_info", Kind.GAUGE, "Always 1.", (("version", "of the gateway"),))

METRICS = (
    BUILD,
    READY,
    CALLS,
    CALLS_STARTED,
    CALLS_ENDED,
    CALLS_REFUSED,
    VERDICTS,
    SETUP,
    DURATION,
    LOSS,
    JITTER,
    RTP_PACKETS,
    RTP_BYTES,
    RTP_LOST,
    RTP_DROPPED,
    USERS,
    REGISTRATIONS,
    REGISTERED,
    JABBER,
    JABBER_LOST,
    CONNECTOR,
    CONNECTOR_RESTARTS,
    MEDIA,
    MEDIA_CALLS,
    MEDIA_LOST,
    TARGETS,
    TURNED_AWAY,
    ERRORS,
)

Reading: TypeAlias = tuple[Metric, tuple[str, ...], float]
"""A gauge or counter as it is now: the metric, the values of its labels, its value."""


class Metrics:
    """All metrics of one gateway.

    `readings` is called when somebody asks for the metrics: it gives what is so at that moment.
    """

    def __init__(self, readings: Callable[[], Iterable[Reading]] = tuple) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        for metric in METRICS:
            name, labels = metric.name, metric.label_names
            if metric.kind is Kind.COUNTER:
                counter = Counter(name, metric.sentence, labels, registry=self._registry)
                self._counters[metric] = counter
            elif metric.kind is Kind.HISTOGRAM:
                self._histograms[metric] = Histogram(
                    name, metric.sentence, labels, buckets=metric.buckets, registry=self._registry
                )
        self._children: dict[tuple[str, tuple[str, ...]], Counter] = {}
        self._registry.register(_Readings(readings))
        ProcessCollector(registry=self._registry)
        self._told: dict[tuple[Metric, tuple[str, ...]], float] = {}

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Something happened, `by` times."""
        child = self._children.get((metric.name, labels))
        if child is None:
            counter = self._counters[metric]
            # Looked up once: the library's own look-up takes a lock and costs as much as all the rest.
            child = self._children[metric.name, labels] = counter.labels(*labels) if labels else counter
        child.inc(by)

    def count_up_to(self, metric: Metric, *labels: str, total: float) -> None:
        """Somebody else counts, and has come to `total`."""
        before = self._told.get((metric, labels), 0.0)
        if total > before:
            self._told[metric, labels] = total
            self.count(metric, *labels, by=total - before)

    def observe(self, metric: Metric, *labels: str, value: float) -> None:
        """Something was measured, in the metric's unit."""
        self._histograms[metric].labels(*labels).observe(value)

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics in the format that the Accept header wants: the text, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Readings(Collector):
    """Makes gauges of what is so now."""

    def __init__(self, readings: Callable[[], Iterable[Reading]]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All of them, in the order of the table."""
        families: dict[Metric, GaugeMetricFamily] = {
            metric: GaugeMetricFamily(metric.name, metric.sentence, labels=metric.label_names)
            for metric in METRICS
            if metric.kind is Kind.GAUGE
        }
        for metric, labels, value in self._readings():
            families[metric].add_metric(labels, value)
        yield from families.values()


def reference() -> str:
    """The reference of the metrics, as Markdown."""
    parts = [_INTRODUCTION]
    for metric in METRICS:
        parts.append(f"## `{metric.name}`\n\n{metric.sentence[:1].upper()}{metric.sentence[1:]}\n")
        lines = [f"- Type: {metric.kind.value}"]
        lines += [f"- Label `{name}`: {meaning}" for name, meaning in metric.labels]
        if metric.buckets:
            lines.append(f"- Buckets: {', '.join(f'{limit:g}' for limit in metric.buckets)}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


_INTRODUCTION = """\
# Metrics

<!-- Written by `python -m ichat_gw.ops.metrics`; do not edit. -->

`http://127.0.0.1:5090/metrics` (see [HttpPort](settings.md#httpport)) gives these to Prometheus, in its own
format or in OpenMetrics'. With `HttpAuth` the scrape needs `basic_auth`, with any user name. If Prometheus
reaches the gateway by a name, the name must be in `HttpHosts`. The repository has alert rules
(`contrib/prometheus/alerts.yml`) and a Grafana dashboard (`contrib/grafana/ichat-gw.json`).

Also given are `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`,
`process_start_time_seconds` and their like, for the process `ichat-gw` alone, without connector and relay
workers.
"""


def metric_names() -> Mapping[str, Metric]:
    """Every name that a query can have: of a histogram also those of its parts."""
    names: dict[str, Metric] = {}
    for metric in METRICS:
        names[metric.name] = metric
        if metric.kind is Kind.HISTOGRAM:
            names |= {f"{metric.name}{part}": metric for part in ("_bucket", "_sum", "_count")}
    return names


if __name__ == "__main__":
    print(reference(), end="")
