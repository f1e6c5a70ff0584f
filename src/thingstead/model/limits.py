"""Documented limits of names, texts, numbers and sizes.

The constants are used by the declarations of the API (and so in the OpenAPI document); :class:`Problems` checks values
against them and collects every invalid field, so that a caller gets all problems at once.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.errors import FieldError, InvalidInput, NotFound
from thingstead.model.values.unicode_text import invisible_character, normal
from thingstead.refusals import Arg, Reason, reason

NAME_LENGTH = 128  # characters, at least 1
DESCR_LENGTH = 1_000
DEVICE_KEY_LENGTH = 128
SUB_ADDRESS_LENGTH = 128
TAGS_COUNT = 64
TAG_KEY_LENGTH = 64
TAG_VALUE_LENGTH = 512
KEYWORD_LENGTH = 128
ACCOUNT_LENGTH = 64  # characters, at least 1: letters, digits and ``. _ @ + -`` of any script
PASSWORD_LENGTH_LEAST = 8
PASSWORD_LENGTH = 128
EMAIL_LENGTH = 254
MOBILE_LENGTH = 32

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"  # ids, and identifiers of attributes, events, commands and streams
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_ACCOUNT = re.compile(r"[\w.@+-]+\Z")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")
_MOBILE = re.compile(r"[0-9+() -]+\Z")

PAGE_NUMBER = 1_000_000
PAGE_RECORDS = 100
CURSOR_LENGTH = 1_024
PAGE_RECORDS_DEFAULT = 20
PAGE_BYTES = 16_777_216  # of the stored records of one page; a single record may be larger
SERIES_PAGE_RECORDS = 500
SERIES_SPAN_MS = 30 * 24 * 3600 * 1000  # the longest range of one history query, inclusive
RANGE_POINTS = 5_000_000  # read for one aggregate or chart
BUCKETS_COUNT = 10_000  # of one aggregate
IDENTIFIERS_COUNT = 20  # attributes of one chart
SAMPLE_POINTS = 10_000  # of one attribute of a chart
SAMPLE_POINTS_DEFAULT = 500
RETENTION_RULES_COUNT = 1_000  # of a project
RETENTION_DAYS = 36_500
SIZE_BYTES = 2**53
INSTANT_MS = 253_402_300_799_999  # the last millisecond of the year 9999

COMMAND_ID = 2**53  # the greatest number that every client can count to
COMMAND_PARAMS_BYTES = 255 * 1024  # as JSON: with its topic and envelope a command is a packet of 256 KiB at most
OPEN_COMMANDS_COUNT = 1_000  # of one device, that are queued, or were sent and may still be replied to
OPEN_COMMANDS_BYTES = 16 * 1024 * 1024  # params of the open commands of one device

JSON_DEPTH = 64  # levels of nested arrays and objects, in API bodies and device messages
CREDENTIAL_BODY_BYTES = 8_192  # of a request before authentication: log-ins, certificates
KEYS_COUNT = 1_000  # attributes or tags named in one request
GROUP_FILTER_COUNT = 100  # groups named in one list query
LISTED_ATTRIBUTES_COUNT = 10  # attributes whose values a list of devices includes
FACETS_COUNT = 10  # of one list of devices
DEVICES_PER_REQUEST = 1_000  # devices added to or removed from a group in one request
IMPORT_ROWS = 10_000
JOB_DEVICES_COUNT = 200_000  # per job
JOBS_OPEN_COUNT = 10  # open jobs of a project
JOBS_KEPT_COUNT = 100  # of a project; older ones are removed
JOBS_KEPT_DAYS = 14  # after their end
JOB_REFUSALS_COUNT = 1_000  # refused devices recorded per job, with their reasons
JOB_SHOWN_BYTES = 4_096  # change of a job that a list shows with its values
FOUND_COUNT = 5  # of each kind, in one search
VIEW_QUERY_LENGTH = 4_096  # of a saved view
VIEWS_COUNT = 100  # saved by one administrator
PREFERENCES_BYTES = 65_536  # of one administrator, as JSON
GROUPS_PER_IMPORT_ROW = 20
GROUPS_COUNT = 10_000  # in a project
GROUP_DEPTH = 16  # levels of the tree
TYPES_COUNT = 10_000  # in a project
TYPE_BYTES = 262_144  # of the definition of a type, as JSON
RULE_BYTES = 65_536  # of the body of an alarm rule, as JSON
RULES_OF_SOURCE_BYTES = 262_144  # of all alarm rules of a device type, or that name a device
APPLICATIONS_COUNT = 100  # in a project
ADMINISTRATORS_COUNT = 100  # in a project
ADMINISTRATOR_SESSIONS_COUNT = 20  # of one administrator in browsers …
BROWSER_SESSIONS_COUNT = 10_000  # … and in all projects
USER_AGENT_LENGTH = 256  # of a browser, as stored for the list of sessions

ATTRIBUTES_COUNT = 500  # in a definition
EVENTS_COUNT = 200
COMMANDS_COUNT = 200
STREAMS_COUNT = 50
PARAMETERS_COUNT = 100  # of one event or command
ENUM_ITEMS_COUNT = 500
UNIT_LENGTH = 32
OPTION_TEXT_LENGTH = 128
PRECISION = 10


VALUE_BYTES = 65_536  # of one value, as MessagePack
REPORT_BYTES = 262_144  # of one report, import or push
DEVICE_STATE_BYTES = 1_048_576  # of the current values of a device together
ELEMENT_BYTES = 32  # added to the size of each element in arrays and objects, for its overhead in memory


_TAG_KEY_CODES = {
    "too_long": "tag_key_too_long",
    "empty": "tag_key_empty",
    "has_nul": "tag_key_has_nul",
    "not_unicode": "tag_key_not_unicode",
}


def is_id(text: str) -> bool:
    """Whether the text is a valid id or identifier: 1 to 64 characters ``[A-Za-z0-9_-]``."""
    return _ID.match(text) is not None


def require_id(text: str, missing: str) -> None:
    """Refuses texts that cannot be an id, so that no other text reaches the database as one.

    Raises:
        NotFound: the text is not a valid id; its code is ``missing``.
    """
    if _ID.match(text) is None:
        raise NotFound(missing)


def text_problem(value: str, max_length: int, min_length: int = 0) -> Reason | None:
    """Why a text is not valid, or None."""
    if len(value) > max_length:
        return reason("too_long", maximum=max_length)
    if len(value) < min_length or (min_length and not value.strip()):
        return reason("empty")
    if "\0" in value:
        return reason("has_nul")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return reason("not_unicode")
    return None


class Problems:
    """Collects the problems of a request; :meth:`refuse` raises them together."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def add(self, field: str, why: str | Reason, /, **args: Arg) -> None:
        """Adds a problem of a field: a reason, or its code and args."""
        self.errors.append(FieldError.of(field, why, **args))

    def text(self, field: str, value: str, max_length: int, min_length: int = 0) -> None:
        """Checks a text: ``min_length`` to ``max_length`` characters, no NUL and no lone surrogates."""
        problem = text_problem(value, max_length, min_length)
        if problem is not None:
            self.add(field, problem)

    def key(self, field: str, value: str, max_length: int, min_length: int = 0) -> None:
        """Checks a key: a text without invisible characters, so that keys that look the same are the same."""
        invisible = invisible_character(value)
        if invisible is not None:
            self.add(field, "invisible_character", character=invisible)
        else:
            self.text(field, value, max_length, min_length)

    def name(self, value: str, field: str = "name") -> None:
        """Checks the name of an object."""
        self.text(field, value, NAME_LENGTH, min_length=1)

    def descr(self, value: str, field: str = "descr") -> None:
        """Checks a description."""
        self.text(field, value, DESCR_LENGTH)

    def identifier(self, field: str, value: str) -> None:
        """Checks an id or identifier."""
        if not is_id(value):
            self.add(field, "not_identifier")

    def tags(self, value: Mapping[str, str], field: str = "tags") -> None:
        """Checks the keys and values of tags, and their number."""
        if len(value) > TAGS_COUNT:
            self.add(field, "too_many_entries", maximum=TAGS_COUNT)
            return
        for key, text in value.items():
            problem = text_problem(key, TAG_KEY_LENGTH, min_length=1)
            if problem is not None:
                self.add(field, _TAG_KEY_CODES[problem.code], **problem.args)
                continue
            self.text(f"{field}.{key}", text, TAG_VALUE_LENGTH)

    def account(self, value: str, field: str = "account") -> None:
        """Checks the account name of a log-in."""
        value = normal(value)
        if invisible_character(value) is not None or len(value) > ACCOUNT_LENGTH or not _ACCOUNT.match(value):
            self.add(field, "bad_account", maximum=ACCOUNT_LENGTH)

    def password(self, value: str, field: str = "password") -> None:
        """Checks the length of a new password."""
        if not PASSWORD_LENGTH_LEAST <= len(value) <= PASSWORD_LENGTH:
            self.add(field, "bad_password_length", minimum=PASSWORD_LENGTH_LEAST, maximum=PASSWORD_LENGTH)

    def email(self, value: str, field: str = "email") -> None:
        """Checks an e-mail address; empty is allowed."""
        self.text(field, value, EMAIL_LENGTH)
        if value and not _EMAIL.match(value):
            self.add(field, "bad_email")

    def mobile(self, value: str, field: str = "mobile") -> None:
        """Checks a phone number as people write it; empty is allowed."""
        if len(value) > MOBILE_LENGTH or (value and not _MOBILE.match(value)):
            self.add(field, "bad_mobile", maximum=MOBILE_LENGTH)

    def count(self, field: str, value: Sequence[Any], most: int, least: int = 0) -> None:
        """Checks the number of entries of a list."""
        if len(value) > most:
            self.add(field, "too_many_entries", maximum=most)
        elif len(value) < least:
            self.add(field, "empty")

    def refuse(self) -> None:
        """Raises InvalidInput with every problem, if there is one."""
        if self.errors:
            raise InvalidInput.of(self.errors, counted=True)


def check_merged_tags(present: Mapping[str, str], put: Mapping[str, str]) -> None:
    """Raises InvalidInput if new tags are invalid, or are too many together with the present ones."""
    problems = Problems()
    problems.tags(put)
    if not problems.errors and len(present.keys() | put.keys()) > TAGS_COUNT:
        problems.add("tags", "too_many_tags", maximum=TAGS_COUNT)
    problems.refuse()


def check_keys(keys: Sequence[str], field: str = "keys") -> None:
    """Raises InvalidInput if a list of keys to remove is empty or too long."""
    problems = Problems()
    problems.count(field, keys, KEYS_COUNT, least=1)
    problems.refuse()


def page_too_large(fitting: int) -> InvalidInput:
    """The refusal of a page by number of which only the first ``fitting`` records fit in PAGE_BYTES."""
    return InvalidInput.field("page_records", "page_too_large", fitting=fitting, maximum=PAGE_BYTES)
