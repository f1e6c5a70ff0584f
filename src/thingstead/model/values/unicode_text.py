"""One spelling for texts that look the same: keys, tags, what is searched, and accounts (Unicode UAX #15, UTS #39)."""

import unicodedata

# Marks and letters that show nothing, beside the categories of control and format characters and of white space.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
# Small letters of Cyrillic and Greek that look like Latin ones.
_LATIN_ALIKE = str.maketrans("авеіјкмнорсѕтухһԁԛԝαγικνορτυχ", "abeijkmhopcstyxhdqwayikvoptux")


def normal(text: str) -> str:
    """NFC: the spelling in which tags and keys are kept and looked for."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def trimmed_key(text: str) -> str:
    """A DeviceKey or an address without what a spreadsheet or a line end leaves around it: white space, control
    characters, a byte order mark; in NFC."""
    start, end = 0, len(text)
    while start < end and _shows_nothing(text[start]):
        start += 1
    while start < end and _shows_nothing(text[end - 1]):
        end -= 1
    return normal(text[start:end])


def invisible_character(text: str) -> str | None:
    """The first character, as ``U+200B``, that shows nothing but is no plain space; None where there is none."""
    if text.isascii() and text.isprintable():
        return None
    found = next((character for character in text if character != " " and _shows_nothing(character)), None)
    return None if found is None else f"U+{ord(found):04X}"


def search_form(text: str) -> str:
    """What is compared in a search: without regard to case, and to how a character is composed or drawn."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFKD", folded)


def account_key(account: str) -> str:
    """The same for accounts that look the same: in another case, composition or width, or with letters of another
    alphabet that look like Latin ones."""
    folded = unicodedata.normalize("NFKC", account).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_LATIN_ALIKE)


def shown(text: str) -> str:
    """For people, on a terminal, in a chat or a mail: on one line, with U+FFFD for what would move the cursor, hide, or
    turn the text around."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))


def _shows_nothing(character: str) -> bool:
    return character in _BLANK or unicodedata.category(character) in _INVISIBLE
