"""A project that has used up its quota of the day is refused by name, until the next day; others are not."""

import pytest
from structlog.testing import capture_logs

from tests.services.conftest import NOW, Workshop
from thingstead.errors import TooManyRequests
from thingstead.model.retention import DAY_MS
from thingstead.services.ingest.quotas import DailyQuota
from thingstead.services.shared.commits import settled

REPORT = b'{"x":1,"text":"0123456789"}'


@pytest.fixture
def quota(workshop: Workshop) -> DailyQuota:
    """Two reports a day."""
    workshop.ingest.quota = DailyQuota(workshop.clock, 2 * len(REPORT))
    return workshop.ingest.quota


async def test_a_report_beyond_the_quota_is_refused_until_the_next_day(workshop: Workshop, quota: DailyQuota) -> None:
    link = await workshop.ingest.link(await workshop.add_device())
    for _ in range(2):
        commit = workshop.ingest.report_attributes(link, REPORT).commit
        assert commit is not None
        await settled(commit)
    with pytest.raises(TooManyRequests, match="daily quota") as refused:
        workshop.ingest.report_attributes(link, REPORT)
    left_ms = DAY_MS - NOW % DAY_MS
    assert refused.value.retry_after_s == left_ms // 1000
    with pytest.raises(TooManyRequests):
        workshop.ingest.report_event(link, b'{"method":"boot","params":{"reason":"power"}}')
    assert quota.refused == 2
    workshop.clock.advance(left_ms)
    assert workshop.ingest.report_attributes(link, REPORT).commit is not None


async def test_of_reports_that_come_together_those_that_fit_are_kept(workshop: Workshop, quota: DailyQuota) -> None:
    link = await workshop.ingest.link(await workshop.add_device())
    assert workshop.ingest.report_run(link, [REPORT] * 3) == (0, None)  # each is looked at by itself
    count, commit = workshop.ingest.report_run(link, [REPORT] * 2)
    assert (count, commit is not None) == (2, True)
    assert workshop.ingest.report_run(link, [REPORT]) == (0, None)
    with pytest.raises(TooManyRequests):
        workshop.ingest.report_attributes(link, REPORT)


async def test_a_project_does_not_pay_for_another(workshop: Workshop, quota: DailyQuota) -> None:
    await workshop.add_project("p2")
    quota.take("p2", 2 * len(REPORT))
    link = await workshop.ingest.link(await workshop.add_device())
    assert workshop.ingest.report_attributes(link, REPORT).commit is not None
    assert not quota.allows("p2", 1)


async def test_that_a_quota_is_used_up_is_logged_once_a_day_for_each_project(
    workshop: Workshop, quota: DailyQuota
) -> None:
    with capture_logs() as logs:
        for project_id in ("p1", "p2", "p1", "p2"):
            with pytest.raises(TooManyRequests):
                quota.take(project_id, 10_000)
        workshop.clock.advance(DAY_MS)
        with pytest.raises(TooManyRequests):
            quota.take("p1", 10_000)
    assert [log["project_id"] for log in logs] == ["p1", "p2", "p1"]
    assert quota.refused == 5
