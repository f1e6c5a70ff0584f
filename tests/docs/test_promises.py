"""The promises of docs/history.md, and the tests that try to break each: both are there."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
DOCUMENT = (TESTS.parent / "docs" / "history.md").read_text(encoding="utf-8")

# Promise, as the page has it, and the tests by file; without names, the whole file.
PROMISES: dict[str, dict[str, tuple[str, ...]]] = {
    "acknowledged is on disk, and read at once": {
        "paths/test_crashes.py": (),
        "storage/test_crash.py": (),
        "paths/test_open_port.py": (),
        "paths/test_report_reaches_disk.py": (
            "test_puback_waits_until_the_report_is_on_disk",
            "test_a_server_that_dies_before_the_commit_has_acknowledged_nothing",
            "test_what_was_acknowledged_is_read_at_once",
        ),
    },
    "a point is kept once, different values of one millisecond are all kept": {
        "contract/history/test_history.py": (
            "test_reports_of_one_millisecond_without_timestamps_are_points_each",
            "test_a_report_that_is_resent_is_stored_once",
            "test_different_values_of_one_millisecond_are_all_kept_and_the_last_is_current",
            "test_packing_counts_the_points_that_were_there_already",
        ),
        "contract/history/test_model.py": (),
        "paths/test_crashes.py": (),
    },
    "what is received is current, else the greatest timestamp": {
        "contract/history/test_history.py": ("test_what_is_received_is_current_although_a_point_lies_ahead",),
        "contract/history/test_model.py": (
            "test_every_order_of_the_same_reports_ends_in_the_same_state",
            "test_history_equals_a_plain_list_under_any_sequence_of_steps",
        ),
    },
    "overload: pushed back, bounded memory, nothing lost, nobody starves": {
        "paths/test_overload.py": (),
        "broker/test_turns.py": (),
        "broker/test_back_pressure.py": (),
        "storage/test_backpressure.py": ("test_producers_are_held_back_while_much_waits_and_released_after",),
    },
    "a full or failing disk": {
        "storage/test_full_disk.py": (),
        "services/test_presence.py": ("test_a_session_that_ends_on_a_full_disk_is_ended_when_there_is_room",),
        "paths/test_report_reaches_disk.py": (
            "test_a_disk_that_does_not_take_it_is_said_and_nothing_acknowledged_until_it_does",
            "test_a_report_is_refused_before_the_disk_is_full_and_reads_go_on",
        ),
    },
    "torn and damaged rows and pages": {
        "storage/test_damage.py": (),
        "storage/test_archive.py": (),
        "storage/test_check.py": (),
        "paths/test_report_reaches_disk.py": ("test_damage_is_said_while_the_rest_is_served",),
    },
}


def test_the_page_makes_the_promises_that_are_tried() -> None:
    chapter = re.search(r"^## Promises\n(.*?)(?=^## )", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert chapter is not None
    promised = re.findall(r"^\| ([^|]+?) \| [^|]+ \|$", chapter[1], re.MULTILINE)[1:]
    assert [promise for promise in promised if promise not in PROMISES] == ["flat memory"]  # by a benchmark of an hour
    assert [promise for promise in PROMISES if promise not in promised] == []


def test_every_test_that_tries_one_exists() -> None:
    missing = []
    for promise, files in PROMISES.items():
        for name, tests in files.items():
            content = (TESTS / name).read_text(encoding="utf-8")
            missing += [f"{promise}: {test}" for test in tests if f"def {test}(" not in content]
    assert missing == []
