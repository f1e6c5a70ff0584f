"""Errors of the store that do not depend on its engine."""

from thingstead.errors import InvalidInput, Unavailable


class DamagedFile(Unavailable):
    """A page of the file is damaged: reads and writes that need it fail, others succeed."""


def unstorable(exc: OverflowError | UnicodeEncodeError) -> InvalidInput:
    """The refusal of a value that no engine can store: an integer over 64 bits, or a lone surrogate."""
    return InvalidInput("integer_too_wide_to_keep" if isinstance(exc, OverflowError) else "text_not_unicode")
