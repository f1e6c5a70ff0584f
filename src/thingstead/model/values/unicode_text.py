"""Normal forms of texts that look the same: keys, tags, search texts and accounts (Unicode UAX #15, UTS #39)."""

import unicodedata

# Marks and letters without a visible glyph, in addition to control and format characters and white space.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
# Lower-case letters of Cyrillic and Greek that look like Latin ones.
_LATIN_ALIKE = str.maketrans("авеіјкмнорсѕтухһԁԛԝαγικνορτυχ", "abeijkmhopcstyxhdqwayikvoptux")


def normal(text: str) -> str:
    """NFC: the form in which tags and keys are stored and looked up."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def trimmed_key(text: str) -> str:
    """A DeviceKey or address in NFC, without surrounding white space, control characters and byte order marks, as
    spreadsheets and line ends add them."""
    start, end = 0, len(text)
    while start < end and _shows_nothing(text[start]):
        start += 1
    while start < end and _shows_nothing(text[end - 1]):
        end -= 1
    return normal(text[start:end])


def invisible_character(text: str) -> str | None:
    """The first invisible character other than a space, as ``U+200B``; None if there is none."""
    if text.isascii() and text.isprintable():
        return None
    found = next((character for character in text if character != " " and _shows_nothing(character)), None)
    return None if found is None else f"U+{ord(found):04X}"


def search_form(text: str) -> str:
    """The form in which texts are searched: independent of case, composition and width of characters."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFKD", folded)


def account_key(account: str) -> str:
    """The key of an account name. Names that look the same have the same key: independent of case, composition, width,
    and of Cyrillic and Greek letters that look like Latin ones."""
    folded = unicodedata.normalize("NFKC", account).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_LATIN_ALIKE)


def shown(text: str) -> str:
    """A text for terminals, chats and mails: on one line, with U+FFFD instead of characters that move the cursor, are
    invisible or change the direction of the text."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))


def _shows_nothing(character: str) -> bool:
    return character in _BLANK or unicodedata.category(character) in _INVISIBLE
