"""The built pages of the console that are part of the package: whole, ours alone, and with the server's own texts."""

import json
import re
from pathlib import Path

import pytest

from thingstead.console.files import packaged_files
from thingstead.refusals import TEXTS

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "src" / "thingstead" / "console" / "static"
FILES = sorted(path for path in OUTPUT.rglob("*") if path.is_file())
CHINESE = sorted((OUTPUT / "words").rglob("*.zh.json"))
LOCK = json.loads((ROOT / "console" / "package-lock.json").read_text(encoding="utf-8"))


def words(name: str) -> dict[str, str]:
    file = packaged_files().find(f"words/{name}")
    assert file is not None
    loaded: dict[str, str] = json.loads(file.body)
    return loaded


def test_every_file_that_a_file_names_is_there() -> None:
    assert (OUTPUT / "index.html").exists()
    for file in FILES:
        if file.suffix in (".html", ".js"):
            text = file.read_text(encoding="utf-8")
            named = re.findall(r"/console/([\w./-]+\.(?:js|css|svg))\b", text)
            named += re.findall(r"\bassets/[\w.-]+\.(?:js|css)\b", text)
            named += [f"assets/{name}" for name in re.findall(r"[\"\'`]\./([\w.-]+\.js)[\"\'`]", text)]
            assert [name for name in named if not (OUTPUT / name).exists()] == [], file.name


def test_the_page_loads_nothing_from_elsewhere_and_holds_no_script_of_its_own() -> None:
    page = (OUTPUT / "index.html").read_text(encoding="utf-8")
    assert [url for url in re.findall(r'(?:src|href)="([^"]+)"', page) if not url.startswith("/console/")] == []
    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert " style=" not in page


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_texts_of_refusals_are_those_of_the_server(language: str) -> None:
    told = {word: text for word, text in words(f"codes.{language}.json").items() if word.startswith("codes.")}
    assert told == {f"codes.{code}": texts[language] for code, texts in TEXTS.items()}


@pytest.mark.parametrize("part", [str(path.relative_to(OUTPUT / "words"))[: -len(".zh.json")] for path in CHINESE])
def test_both_languages_have_every_word(part: str) -> None:
    chinese, english = words(f"{part}.zh.json"), words(f"{part}.en.json")
    assert chinese.keys() == english.keys() != set()
    assert all(chinese.values())
    assert all(english.values())


def test_every_chunk_that_waits_for_words_finds_them() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in FILES if path.suffix == ".js")
    waiting = set(re.findall(r"[\"'`]((?:pages|app|bulk)/[\w/]+)[\"'`]\)", code))
    assert waiting == {path.relative_to(OUTPUT / "words").as_posix()[: -len(".zh.json")] for path in CHINESE} - {"core"}


def test_the_licenses_of_everything_bundled_are_told() -> None:
    licenses = {package["name"]: package for package in json.loads((OUTPUT / "licenses.json").read_text("utf-8"))}
    assert {"@vue/runtime-dom", "vue-router", "reka-ui", "uplot", "@lucide/vue"} <= licenses.keys()
    for name, package in licenses.items():
        assert package["license"], name
        assert package["version"] == LOCK["packages"][f"node_modules/{name}"]["version"]


def test_packages_are_pinned_by_hash_without_the_address_of_a_registry() -> None:
    packages = [package for path, package in LOCK["packages"].items() if path]
    assert [package for package in packages if "resolved" in package] == []
    assert [package for package in packages if not package["integrity"].startswith("sha512-")] == []
    for file in ("package.json", "package-lock.json", ".npmrc"):
        assert "registry." not in (ROOT / "console" / file).read_text(encoding="utf-8")
