"""Split the comment line of extended XYZ into ``key=value`` entries and words, as raw text.

Spaces may surround ``=``. A value is a word up to the next space, or is enclosed in quotes, braces or
brackets, which open at its beginning only and close before a space, so that ``smiles=C[N+](C)=O`` and
``name=5'-AMP`` are words. All functions take time linear in the length of the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fa_pyg.io.xyz.grammar import NUMBER, NUMBER_TEXT

__all__ = ["EXTENDED", "HeaderError", "RawValue", "read_header"]

RESERVED = {"lattice": "Lattice", "properties": "Properties", "pbc": "pbc"}  # keys in any case
MOST = 1000  # entries, and columns, of a structure
LONGEST = 200  # characters of a key

_NAME = rb"(?i:(properties|lattice|pbc))[\"']?"
_KEYED = _NAME + rb"[ \t]*="
FLAG = rb"(?i:T|F|true|false|\.true\.|\.false\.|[01])"
# The `=` is missing: Lattice "1 0 0 ...", pbc T T F, Properties:species:S:1.
_LIST = rb"(?:[+-]?[\d.]+(?:[eE][+-]?\d+)?[ \t,]+){2}|(?:" + FLAG + rb"[ \t,]+" + FLAG + rb"|[TF]{3})(?!\w)"
_UNKEYED = _NAME + rb"[ \t]*(?::[ \t]*)?(?:(?:[\"'{\[(][ \t]*)?(?:" + _LIST + rb")|\w+:[RISL]:\d)"
EXTENDED = re.compile(rb"(?:^|[ \t,;])[\"']?(?:" + _KEYED + rb"|" + _UNKEYED + rb")")
_NEARLY = re.compile(r"(?:^|[ \t,;])[\"']?(?:" + _UNKEYED.decode() + r")")

_SPACE = re.compile(r"[ \t,;]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_KEY = re.compile(r"[^ \t=,;]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|' + r"'((?:[^'\\]|\\.)*)'")
_ESCAPED = re.compile(r"\\([\"'\\])")
_WORD = re.compile(r"(?:[^ \t,;]+|[,;]+(?![ \t,;]|$|[A-Za-z_]\w*[ \t]*=))*")
_KEY_END = re.compile(r"[ \t=,;]|$")
_END = re.compile(r"[ \t,;]|$")
_KEY_NEXT = re.compile(r"[A-Za-z_][\w-]*=")
_MORE = {
    "pbc": re.compile(r"(?:[ \t,]+" + FLAG.decode() + r"(?![^ \t,;]))*"),
    "Lattice": re.compile(r"(?:[ \t,]+" + NUMBER.decode() + r"(?![^ \t,;]))*"),
}
_NUMBER_NEXT = re.compile(r"[ \t]+" + NUMBER.decode() + r"(?![^ \t,;])")
_NAMED = re.compile(r"[^\W\d][\w-]{,199}")


class HeaderError(ValueError):
    """A malformed comment line; the message is what was expected."""


class RawValue(NamedTuple):
    """A value as raw text without quotes, and what enclosed it: a quote, ``[``, or nothing."""

    text: str
    mark: str = ""


def read_header(comment: str) -> dict[str, RawValue | None]:
    """Return the entries of a comment line in order; None for names without a value.

    Reserved keys get their usual case. Other words, which people write around the entries, are left out.

    Raises:
        HeaderError: where the line cannot be split.
    """
    entries: dict[str, RawValue | None] = {}
    for key, value in _entries(comment):
        if value is None:
            _add_word(key, entries)
        else:
            _add(RESERVED.get(key.lower(), key), value, entries)
        if len(entries) > MOST:
            raise HeaderError(f"at most {MOST} entries")
    for match in _NEARLY.finditer(comment):
        if (name := RESERVED[match[1].lower()]) not in entries:
            raise HeaderError(f"'=' after {name}")
    return entries


def _add_word(word: str, entries: dict[str, RawValue | None]) -> None:
    if "=" in word and EXTENDED.search(word.encode()):  # a whole entry in quotes
        raise HeaderError("quotes around values only")
    if _NAMED.fullmatch(word) and word.lower() not in RESERVED:
        entries.setdefault(word)


def _add(key: str, value: RawValue, entries: dict[str, RawValue | None]) -> None:
    if len(key) > LONGEST:
        raise HeaderError(f"keys of at most {LONGEST} characters")
    if entries.get(key) not in (None, value):
        raise HeaderError(f"one value of {key}")
    entries[key] = value


def _entries(comment: str) -> Iterator[tuple[str, RawValue | None]]:
    at = _end(_SPACE, comment, 0)
    while at < len(comment):
        key, at = _key(comment, at)
        equals = _EQUALS.match(comment, at)
        if equals is None:
            yield key, None
        else:
            value, at = _value(comment, equals.end(), key, spaced=comment[equals.end() - 1] != "=")
            yield key, value
        at = _end(_SPACE, comment, at)


def _end(pattern: re.Pattern[str], comment: str, at: int) -> int:
    """Return the end of a match, which may be empty."""
    found = pattern.match(comment, at)
    return at if found is None else found.end()


def _key(comment: str, at: int) -> tuple[str, int]:
    if comment[at] in "\"'":
        quoted = _QUOTED.match(comment, at)
        if quoted and _KEY_END.match(comment, quoted.end()):
            if quoted.end() == at + 2:
                raise HeaderError("a key before '='")
            return _ESCAPED.sub(r"\1", quoted[quoted.lastindex or 0]), quoted.end()
    word = _KEY.match(comment, at)
    if word is None:
        raise HeaderError("a key before '='")
    return word[0], word.end()


def _value(comment: str, at: int, key: str, spaced: bool) -> tuple[RawValue, int]:
    first = comment[at : at + 1]
    if spaced and _KEY_NEXT.match(comment, at):
        raise HeaderError(f"a value after {key}=")
    if first and first in "\"'":
        quoted = _QUOTED.match(comment, at)
        if quoted is None or not _END.match(comment, quoted.end()):
            raise HeaderError(f"the value of {key} to end with its quote and a space")
        return RawValue(_ESCAPED.sub(r"\1", quoted[quoted.lastindex or 0]), first), quoted.end()
    if first and first in "[{":
        closed = _closed(comment, at, key)
        if _END.match(comment, closed):
            is_list = first == "["
            return RawValue(comment[at + 1 - is_list : closed - 1 + is_list], first), closed
        if _end(_WORD, comment, at) < closed:  # not a word, as SMILES are
            raise HeaderError(f"the value of {key} to end with its bracket and a space")
    end = _end(_WORD, comment, at)
    more = _MORE.get(RESERVED.get(key.lower(), ""))
    if more is not None:
        end = _end(more, comment, end)
    elif NUMBER_TEXT.fullmatch(comment[at:end].encode()) and _NUMBER_NEXT.match(comment, end):
        raise HeaderError(f"quotes around the numbers of {key}")
    return RawValue(comment[at:end]), end


def _closed(comment: str, at: int, key: str) -> int:
    """Return where the bracket that opens at ``at`` is closed."""
    pair, depth = re.compile(r"[\[\]]" if comment[at] == "[" else r"[{}]"), 0
    for match in pair.finditer(comment, at):
        depth += 1 if match[0] == comment[at] else -1
        if depth == 0:
            return match.end()
    raise HeaderError(f"the value of {key} to end with its bracket")
