"""The text that Prometheus scrapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from thingstead.metrics import CATALOG, Histogram, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    text = metrics.render().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_values_are_read_when_somebody_asks() -> None:
    count = 0
    metrics = Metrics()
    metrics.read("thingstead_reports_accepted_total", lambda: count)
    assert samples(metrics)["thingstead_reports_accepted_total",] == 0
    count = 7
    assert samples(metrics)["thingstead_reports_accepted_total",] == 7


def test_labels_give_one_sample_each() -> None:
    metrics = Metrics()
    counted = {("GET", "/api/v1/device/{device_id}", "200"): 3, ("GET", 'bad"\n', "404"): 1}
    metrics.read("thingstead_http_requests_total", lambda: counted)
    found = samples(metrics)
    assert found["thingstead_http_requests_total", "GET", "/api/v1/device/{device_id}", "200"] == 3
    assert found["thingstead_http_requests_total", "GET", 'bad"\n', "404"] == 1


def test_the_memory_of_the_process_is_shown() -> None:
    assert samples(Metrics())["process_resident_memory_bytes",] > 1 << 20


def test_a_metric_outside_the_catalog_cannot_be_read() -> None:
    with pytest.raises(KeyError, match="thingstead_surprise"):
        Metrics().read("thingstead_surprise", lambda: 1)


def test_counters_end_in_total_and_seconds_are_named() -> None:
    for info in CATALOG.values():
        assert info.name.endswith("_total") == (info.kind == "counter"), info.name
        assert info.description.endswith("."), info.name


@given(st.lists(st.floats(0, 20), max_size=50))
def test_a_histogram_counts_what_is_no_greater_than_each_bound(values: list[float]) -> None:
    histogram = Histogram((0.5, 1.0, 10.0))
    for value in values:
        histogram.observe(value)
    metrics = Metrics()
    metrics.read("thingstead_commit_seconds", lambda: histogram)
    found = samples(metrics)
    for bound in (0.5, 1.0, 10.0):
        assert found["thingstead_commit_seconds_bucket", str(bound)] == sum(value <= bound for value in values)
    assert found["thingstead_commit_seconds_bucket", "+Inf"] == len(values) == found["thingstead_commit_seconds_count",]
    assert found["thingstead_commit_seconds_sum",] == pytest.approx(sum(values))
