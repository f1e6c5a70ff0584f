"""Leases, by a clock that the test moves."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from thingstead.storage.postgres.nodes.lease import Activity, Lease, Observation

LEASE_S = 8.0


class Reading:
    """A monotonic clock."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def lease_of(reading: Reading) -> Lease:
    return Lease(LEASE_S, reading)


def test_a_node_that_never_became_active_holds_nothing() -> None:
    reading = Reading()
    lease = lease_of(reading)
    lease.renew(reading.s)
    assert not lease.held()
    assert lease.left_s == 0


def test_a_lease_counts_from_before_its_renewal_was_sent() -> None:
    reading = Reading()
    lease = lease_of(reading)
    lease.begin(reading.s)
    reading.s += 7  # the answer took so long
    lease.renew(1_000.5)
    reading.s = 1_008.4
    assert lease.held()
    reading.s = 1_008.5
    assert not lease.held()


def test_a_renewal_that_arrives_after_the_end_does_not_revive_a_lease() -> None:
    reading = Reading()
    lease = lease_of(reading)
    lease.begin(reading.s)
    reading.s += LEASE_S
    lease.renew(reading.s - 0.1)
    assert not lease.held()
    lease.renew(reading.s)
    assert not lease.held()
    lease.begin(reading.s)
    assert lease.held()


def test_the_place_of_nobody_is_free_at_once() -> None:
    assert Observation(LEASE_S).see(None, "start", 0.0)


def test_the_place_of_a_silent_node_is_free_after_a_lease() -> None:
    observation = Observation(LEASE_S)
    active = Activity(1, 10)
    assert not observation.see(active, "start", 0.0)
    assert not observation.see(active, "start", 7.9)
    assert observation.see(active, "start", 8.0)


def test_a_renewal_begins_the_time_anew() -> None:
    observation = Observation(LEASE_S)
    assert not observation.see(Activity(1, 10), "start", 0.0)
    assert not observation.see(Activity(1, 11), "start", 7.9)
    assert not observation.see(Activity(1, 11), "start", 15.8)
    assert observation.see(Activity(1, 11), "start", 15.9)


def test_nobody_is_declared_dead_within_a_lease_of_a_restart_of_the_database() -> None:
    observation = Observation(LEASE_S)
    active = Activity(1, 10)
    assert not observation.see(active, "start", 0.0)
    assert not observation.see(active, "another start", 9.0)
    assert observation.see(active, "another start", 17.0)


def test_nobody_is_declared_dead_within_a_lease_of_a_failed_look() -> None:
    observation = Observation(LEASE_S)
    active = Activity(1, 10)
    assert not observation.see(active, "start", 0.0)
    observation.fail()
    assert not observation.see(active, "start", 9.0)
    assert observation.see(active, "start", 17.0)


class Step(NamedTuple):
    """What happens next: time passes, then a renewal of the active node is sent, or arrives, or an observer looks."""

    wait_s: float
    event: str
    delay_s: float  # of an answer


STEPS = st.lists(
    st.builds(
        Step,
        st.floats(0, 6, allow_nan=False),
        st.sampled_from(["renew", "lost renewal", "look", "failed look", "restart"]),
        st.floats(0, 4, allow_nan=False),
    ),
    max_size=60,
)


@given(STEPS)
def test_whenever_an_observer_may_take_over_the_lease_of_the_active_node_has_ended(steps: list[Step]) -> None:
    """The database counts renewals in the order in which they reach it; requests and answers take any time; the two
    clocks have nothing in common but their speed."""
    now = Reading()
    lease = lease_of(now)
    observation = Observation(LEASE_S)
    lease.begin(now.s)
    renewed, server = 1, 0
    for step in steps:
        now.s += step.wait_s
        if step.event == "renew" and lease.held():
            sent_s = now.s
            now.s += step.delay_s
            renewed += 1
            lease.renew(sent_s)
        elif step.event == "lost renewal" and lease.held():
            renewed += 1  # it reached the database, its answer got lost
        elif step.event == "failed look":
            observation.fail()
        elif step.event == "restart":
            server += 1
        elif step.event == "look":
            seen = Activity(1, renewed)
            now.s += step.delay_s
            offset_s = 555.0  # of the other machine's clock
            if observation.see(seen, str(server), now.s + offset_s) and seen.renewed == renewed:
                assert not lease.held()
