"""The table of metrics, what it makes of counts and readings, and the files that speak of metrics."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ichat_gw.ops import metrics as m
from ichat_gw.ops.metrics import METRICS, Kind, Metrics, metric_names, reference

ROOT = Path(__file__).parents[2]


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text, _ = metrics.expose()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_what_is_counted_is_told() -> None:
    metrics = Metrics()
    metrics.count(m.CALLS_STARTED, "to_sip")
    metrics.count(m.CALLS_STARTED, "to_sip")
    metrics.count(m.JABBER_LOST)
    metrics.observe(m.SETUP, "to_sip", value=0.3)
    told = samples(metrics)
    assert told["ichat_gw_calls_started_total", (("direction", "to_sip"),)] == 2
    assert told["ichat_gw_jabber_disconnections_total", ()] == 1
    assert told["ichat_gw_call_setup_seconds_sum", (("direction", "to_sip"),)] == 0.3
    assert told["ichat_gw_call_setup_seconds_bucket", (("direction", "to_sip"), ("le", "0.25"))] == 0
    assert told["ichat_gw_call_setup_seconds_bucket", (("direction", "to_sip"), ("le", "0.5"))] == 1


def test_what_others_count_only_grows() -> None:
    metrics = Metrics()
    for total in (3, 5, 4, 5):
        metrics.count_up_to(m.TURNED_AWAY, "MaxCalls", total=total)
    assert samples(metrics)["ichat_gw_turned_away_total", (("setting", "MaxCalls"),)] == 5


def test_what_is_so_now_is_asked_for_when_somebody_asks() -> None:
    calls = 0.0
    metrics = Metrics(lambda: [(m.CALLS, ("talking",), calls), (m.READY, (), 1.0)])
    calls = 7.0
    told = samples(metrics)
    assert told["ichat_gw_calls", (("state", "talking"),)] == 7
    assert told["ichat_gw_ready", ()] == 1
    assert ("process_cpu_seconds_total", ()) in told


def test_hostile_labels_stay_labels() -> None:
    metrics = Metrics()
    evil = 'x"} 1\nichat_gw_ready 1\n# \\'
    metrics.count(m.VERDICTS, evil)
    told = samples(metrics)
    assert told["ichat_gw_call_verdicts_total", (("code", evil),)] == 1
    assert ("ichat_gw_ready", ()) not in told


def test_both_formats_are_spoken() -> None:
    _, content_type = Metrics().expose("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    _, content_type = Metrics().expose("")
    assert content_type.startswith("text/plain")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_are_conventional(metric: m.Metric) -> None:
    assert re.fullmatch(r"ichat_gw_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith(("_seconds", "_ratio"))
        assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.sentence.endswith(".")


def test_names_are_told_apart() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert {metric for metric in vars(m).values() if isinstance(metric, m.Metric)} == set(METRICS)


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs/reference/metrics.md").read_text()
    assert written == reference(), "run .venv/bin/python -m ichat_gw.ops.metrics > docs/reference/metrics.md"


# --- the files for Prometheus and Grafana -----------------------------------------------------------------


def queries() -> list[str]:
    groups = yaml.safe_load((ROOT / "contrib/prometheus/alerts.yml").read_text())["groups"]
    alerts = [rule["expr"] for group in groups for rule in group["rules"]]
    dashboard = json.loads((ROOT / "contrib/grafana/ichat-gw.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    variables = [variable["query"] for variable in dashboard["templating"]["list"] if "query" in variable]
    return [*alerts, *panels, *variables]


def test_queries_name_metrics_and_labels_that_exist() -> None:
    found = set()
    for query in queries():
        for name, selector in re.findall(r"\b(ichat_gw_[a-z_]+)(\{[^}]*\})?", query):
            assert name in metric_names(), query
            metric = metric_names()[name]
            found.add(metric)
            labels = {*metric.label_names, "le", "instance", "job"}
            assert set(re.findall(r"([a-z_]+)\s*(?:=|!|=~)", selector)) <= labels, query
        for labels in re.findall(r"\bby \(([^)]*)\)", query):
            known = {label for metric in METRICS for label in metric.label_names}
            assert {label.strip() for label in labels.split(",")} <= {*known, "le", "instance"}, query
    assert len(found) > len(METRICS) / 2


def test_alerts_say_what_to_do() -> None:
    groups = yaml.safe_load((ROOT / "contrib/prometheus/alerts.yml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_panels_do_not_overlap() -> None:
    dashboard = json.loads((ROOT / "contrib/grafana/ichat-gw.json").read_text())
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not squares & taken, panel["title"]
        taken |= squares
