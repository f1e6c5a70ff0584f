"""Sources of current values: a reported value is kept while a push or a cloud attribute covers it."""

from collections.abc import Iterable

from thingstead.model.device import AttributeValue, Sent, SentSource
from thingstead.model.report import Report

Current = dict[str, AttributeValue]


def send_into(current: Current, sent: dict[str, Sent], reports: Iterable[Report], source: SentSource) -> None:
    """Applies values that were pushed to the device or set in the cloud, in order, to the current values."""
    for report in reports:
        for identifier, value in report.attributes.items():
            covering = sent.get(identifier)
            reported = current.get(identifier) if covering is None else covering.reported
            sent[identifier] = Sent(source, reported)
            current[identifier] = AttributeValue(report.ts, value)


def report_over(current: Current, sent: dict[str, Sent], reports: Iterable[Report], timed: bool) -> None:
    """Applies values that the device reported, in order, over values from other sources.

    Args:
        timed: the reports have timestamps of their own.
    """
    for report in reports:
        for identifier, value in report.attributes.items():
            known, covering = current.get(identifier), sent.get(identifier)
            if known is None or not timed or report.ts >= known.ts:
                current[identifier] = AttributeValue(report.ts, value)
                sent.pop(identifier, None)
            elif covering is not None and (covering.reported is None or report.ts >= covering.reported.ts):
                sent[identifier] = Sent(covering.source, AttributeValue(report.ts, value))
