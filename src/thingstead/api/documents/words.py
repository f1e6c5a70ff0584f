"""Languages of the pages: English as in the source, Chinese from ``zh.json`` and from ``members.json``."""

import json
from collections.abc import Mapping

from thingstead.api.documents.schemas import FOLDER, MEMBERS

LANGUAGES = ("en", "zh")
NAMES = {"en": "English", "zh": "中文"}
# Chinese texts by their English ones, whose line breaks count as spaces.
CHINESE: Mapping[str, str] = {
    **{texts["en"]: texts["zh"] for texts in MEMBERS.values()},
    **json.loads(FOLDER.joinpath("zh.json").read_text("utf-8")),
}


class Words:
    """The texts of a language.

    Attributes:
        missing: English texts that were asked for and have no translation.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts: Mapping[str, str] = CHINESE if language == "zh" else {}
        self.missing: set[str] = set()

    def __call__(self, text: str) -> str:
        """The text in this language; in English if there is no translation."""
        text = " ".join(text.split())
        found = self._texts.get(text)
        if found is None:
            if text and self._texts:
                self.missing.add(text)
            return text
        return found

    def paragraphs(self, text: str) -> list[str]:
        """Paragraphs, which are translated one by one."""
        return [self(part) for part in text.strip().split("\n\n") if part.strip()]


def preferred(accepted: str) -> str:
    """The language of a page for ``Accept-Language``: the first of ours that is named, otherwise English."""
    for part in accepted.lower().split(","):
        language = part.strip().partition(";")[0].partition("-")[0]
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]
