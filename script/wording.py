"""Refuses phrases that readers stumble over, wherever people read us: source, documentation, command line, log, errors.

A phrase is listed with what to write instead. The list begins with what has been mended; add a phrase when its last hit
is gone. Usage: script/wording.py [FILE…]   without files: all of src/ and docs/, the pages at the top
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["src/**/*.py", "docs/**/*.md", "examples/**/*.md", "bench/*.md", "*.md"]

# Regular expression (spaces match line ends too) → what to write.
PHRASES = {
    r"goes not with": "cannot be combined with",
    r"lies? more than a day in the future": "is more than one day in the future",
    r"means nothing here": "is unknown",
    r"do(es)? not create themsel\w+": "auto-create is off",
    r"was brought forward": "was migrated",
    r"was read again": "was reloaded",
    r"is no complete backup": "is not a complete backup",
    r"else told by its name": "default: by file extension",
    r"by custom; 0": "usually; 0 picks",
    r"takes a free one": "picks a free port",
    r"News of devices that no application was told": "Device updates dropped before any subscriber got them",
    r"truth values?": "a boolean",
    r"a line end behind it": "a trailing newline",
    r"what opens the door": "authentication is by …",
    r"names what does not exist": "refers to an object that does not exist",
    r"has not the columns": "required columns are missing",
    r"something that was due failed": "a scheduled callback failed",
    r"that one could not be given": "dropped because a client could not take them",
    r"looking at \S+ failed": "checking … failed; evaluating … failed",
    r"could not be looked at": "could not be evaluated, could not be checked",
    r"the room on the disk cannot be told": "the free disk space cannot be read",
    r"there is room on the disk again": "the disk has free space again",
    r"on topics that mean nothing": "on unknown topics",
    r"that were taken in": "stored",
    r"since their time was over": "dropped by retention; because they expired",
    r"did not get as far as to say anything": "closed before any protocol exchange",
    r"that one read too slowly for": "dropped because an application read too slowly",
    r"Of the (file|signals)\b[;:]": "name the noun: File format …, Seed of …",
    r"may reach a (client|device) no more": "a client may be unreachable",
    r"the network says otherwise": "until the network ends it",
    r"without one (none is sent|nobody logs in)": "without one no mail is sent",
    r"is none that": "is not a … that …",
    r"answer makes no sense": "the answer is malformed",
    r"watches no such": "does not watch this …",
    r"Of these, such as": "Of these, those that …",
    r"0 sets no bound": "0: no limit",
    r"0 keeps (it|them) for ever": "0: for ever",
    r"may take to arrive": "Time-out for …",
    r"[Tt]he window of these": "Time window of these …",
    r"lead to (none|no certificate)": "unknown",
    r"at once; the next waits": "in flight",
    r"(was|were) turned away": "was refused",
    r"(a|the) (message|will message|messages) (is|are) lost": "was dropped",
    r"nothing was heard": "no packet arrived",
    r"that nobody waits for were lost": "without a waiting caller",
    r"took the session over": "took over the session",
    r"shown this once": "shown only once",
    r"served all the same": "still served",
    r"who only its owner may read|which only its owner may read": "readable by its owner only",
    r"Put tags on|Take tags off": "Add or change tags of, Remove tags from",
    r"off the shelf": "unshelve",
    r"(Take|take) back rules": "withdraw rules",
    r"where left out": "default: …",
    r"[Ww]hom to tell": "who gets notices",
    r"is no backup that": "is not a backup that",
    r"stands twice": "occurs twice",
    r"makes no condition hold": "the condition does not hold",
    r"clients of old": "existing clients",
    r"trip over": "fail on",
    r"it is one that devices subscribe to": "devices subscribe to it",
    r"takes no custom data": "custom data cannot be sent to …",
    r"(leads|lead) to an address where": "has an address that is refused",
    r"what was committed could": "the committed data could",
    r"switched off for this device": "disabled for this device",
    r"to bring it forward": "to migrate it",
    r"is no database of": "is not a database of",
    r"[Ww]ho was online is not kept": "history does not contain presence",
    r"looked at again at": "evaluated again at",
    r"sender waits no more": "sender stopped waiting",
    r"have more to write|has more to write": "is overloaded",
    r"(a|the) thing that reports": "a device that reports",
    r"cannot be kept now": "cannot be stored now",
    r"could not be kept": "could not be stored",
    r"will be tried again": "retrying",
    r"add up to\b": "statistics of",
    r"does not listen to": "is not subscribed to",
    r"did not come in time": "did not arrive in time",
    r"too much waits": "too many bytes wait",
    r"of no use any more": "expired",
    r"is not looked at": "is ignored, is not checked",
    r"starts? afresh": "is forgotten",
    r"nobody can tell": "cannot be determined",
    r"none of ours": "unknown",
    r"the device hears nothing": "nothing is sent to the device",
    r"goes? side by side": "run concurrently",
    r"opens nothing": "is invalid",
    r"is worth nothing": "is invalid",
    r"knows it at once": "takes effect at once",
    r"a row a point": "one row per point",
    r"spare the others": "the others are imported",
    r"[Ww]hat is promised": "guarantees",
    r"costs itself": "is left out and named",
    r"goes? into history alone|goes? to history alone": "is added to the history only",
    r"[Bb]eing written to": "receiving pushes",
    r"pass(ed|es) over\b": "ignored, skipped",
    r"past (its|their) time": "expired",
    r"[Ww]hat became of": "the result of, the outcome",
    r"[Hh]ow far (it|they) came": "the state of",
    r"[Ww]hat (it|they) (came|come) to": "the result of",
    r"the long way": "the full check, the full parser",
    r"told at a glance": "known",
    r"made ready": "compiled",
    r"in one go\b": "in one step, in one batch",
    r"worth another try": "can be retried",
    r"[Tt]he verbs of": "operations on",
    r"left aside": "ignored",
    r"counts its changes": "incremented by each change",
    r"without saying which": "the message does not say which",
    r"every bad field": "every invalid field",
    r"has as many [\w ]+ as it may(?! have)": "has reached its limit of",
    r"\b(is|are) void\b": "is invalid",
    r"is dear\b": "is expensive",
    r"whose days": "the time zone of its days",
    r"gives? the disk back": "returns pages to the file system",
    r"[Tt]akes? note of": "records",
    r"is (not |no \w+ is )?looked at": "is checked, is evaluated, is parsed",
    r"is told (its|of|what)\b": "name who sends what: “gets notices of …”",
    r"[Ll]ets go of": "closes, releases",
    r"[Hh]ears? (nothing|the bus) (no )?more": "ends the subscriptions",
    r"[Ee]nds the (looking|trying)": "stops the task",
    r"Takes over ``": "Modifies ``…``",
    r"brought into effect": "applied",
    r"[Bb]egins (anew|afresh)": "starts again",
    r"(None|empty|nothing happens) where (it|there) is none": "None if there is none",
}

_COMPILED = {re.compile(pattern.replace(" ", r"\s+(?:#\s+)?")): better for pattern, better in PHRASES.items()}


def hits(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, phrase as it stands there, and what to write, of each listed phrase in a text."""
    for pattern, better in _COMPILED.items():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, " ".join(match.group().split()), better


def main(names: list[str]) -> int:
    """Prints every hit. Returns the exit code."""
    files = [Path(name) for name in names] or sorted({path for glob in PAGES for path in ROOT.glob(glob)})
    found = 0
    for file in files:
        for line, phrase, better in hits(file.read_text(encoding="utf-8")):
            sys.stdout.write(f"{file}:{line}: “{phrase}”: write “{better}”\n")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
