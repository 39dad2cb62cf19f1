"""The comment line of extended XYZ: words and `key=value` entries, and what the values are.

A key and its `=` may be spaced. A value is a word up to the next space, or stands in quotes, braces or
brackets; these count at its beginning only and close before a space, so that `smiles=C[N+](C)=O` and
`name=5'-AMP` are words. Everything here takes time linear in the length of the line.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fa_pyg.datasets._xyz_grammar import NOT_FINITE, NUMBER, NUMBER_TEXT, floats, whole

RESERVED = {"lattice": "Lattice", "properties": "Properties", "pbc": "pbc"}  # keys in any case
MOST = 1000  # entries, and columns, of a structure
LONGEST = 200  # characters of a key

_NAME = rb"(?i:(properties|lattice|pbc))[\"']?"
_KEYED = _NAME + rb"[ \t]*="
_FLAG = rb"(?i:T|F|true|false|\.true\.|\.false\.|[01])"
# The `=` is missing: Lattice "1 0 0 ...", pbc T T F, Properties:species:S:1.
_LIST = rb"(?:[+-]?[\d.]+(?:[eE][+-]?\d+)?[ \t,]+){2}|(?:" + _FLAG + rb"[ \t,]+" + _FLAG + rb"|[TF]{3})(?!\w)"
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
    "pbc": re.compile(r"(?:[ \t,]+" + _FLAG.decode() + r"(?![^ \t,;]))*"),
    "Lattice": re.compile(r"(?:[ \t,]+" + NUMBER.decode() + r"(?![^ \t,;]))*"),
}
_NUMBER_NEXT = re.compile(r"[ \t]+" + NUMBER.decode() + r"(?![^ \t,;])")
_FIELDS = re.compile(r"[^ \t,]+")
_FLAGS = dict.fromkeys(("T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("F", "false", "False", "FALSE"), False
)
_LABELS = ("energy", "free_energy", "stress", "virial", "dipole", "magmom")  # numbers, if anything
_VOIGT = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]  # xx yy zz yz xz xy


class Trouble(ValueError):
    """What was expected of a comment line."""


class Raw(NamedTuple):
    """A value as it stands: its text without quotes, and what enclosed it: a quote, `[`, or nothing."""

    text: str
    mark: str = ""


def read_header(comment: str) -> dict[str, Raw | None]:
    """The entries of a comment line in order, None for words without a value; reserved keys in one case."""
    entries: dict[str, Raw | None] = {}
    for key, value in _entries(comment):
        key = RESERVED.get(key.lower(), key)
        if len(key) > LONGEST:
            raise Trouble(f"keys of at most {LONGEST} characters")
        if value is not None and entries.get(key) not in (None, value):
            raise Trouble(f"one value of {key}")
        entries[key] = entries.get(key) if value is None else value
        if len(entries) > MOST:
            raise Trouble(f"at most {MOST} entries")
    for key in RESERVED.values():
        if entries.get(key) is None:
            entries.pop(key, None)
    _check_reserved(comment, entries)
    return entries


def _check_reserved(comment: str, entries: dict[str, Raw | None]) -> None:
    """Refuses a line that names a lattice, say, but where it is no entry."""
    for match in _NEARLY.finditer(comment):
        if (name := RESERVED[match[1].lower()]) not in entries:
            raise Trouble(f"'=' after {name}")


def _entries(comment: str) -> Iterator[tuple[str, Raw | None]]:
    at = _SPACE.match(comment).end()
    while at < len(comment):
        key, at = _key(comment, at)
        equals = _EQUALS.match(comment, at)
        if equals is None:
            yield key, None
        else:
            value, at = _value(comment, equals.end(), key, spaced=comment[equals.end() - 1] != "=")
            yield key, value
        at = _SPACE.match(comment, at).end()


def _key(comment: str, at: int) -> tuple[str, int]:
    if comment[at] in "\"'":
        quoted = _QUOTED.match(comment, at)
        if quoted and _KEY_END.match(comment, quoted.end()):
            if quoted.end() == at + 2:
                raise Trouble("a key before '='")
            return _ESCAPED.sub(r"\1", quoted[quoted.lastindex]), quoted.end()
    word = _KEY.match(comment, at)
    if word is None:
        raise Trouble("a key before '='")
    return word[0], word.end()


def _value(comment: str, at: int, key: str, spaced: bool) -> tuple[Raw, int]:
    first = comment[at : at + 1]
    if spaced and _KEY_NEXT.match(comment, at):
        raise Trouble(f"a value after {key}=")
    if first and first in "\"'":
        quoted = _QUOTED.match(comment, at)
        if quoted is None or not _END.match(comment, quoted.end()):
            raise Trouble(f"the value of {key} to end with its quote and a space")
        return Raw(_ESCAPED.sub(r"\1", quoted[quoted.lastindex]), first), quoted.end()
    if first and first in "[{":
        closed = _closed(comment, at, key)
        if _END.match(comment, closed):
            is_list = first == "["
            return Raw(comment[at + 1 - is_list : closed - 1 + is_list], first), closed
        if _WORD.match(comment, at).end() < closed:  # no word as SMILES are
            raise Trouble(f"the value of {key} to end with its bracket and a space")
    end = _WORD.match(comment, at).end()
    more = _MORE.get(RESERVED.get(key.lower(), ""))
    if more is not None:
        end = more.match(comment, end).end()
    elif NUMBER_TEXT.fullmatch(comment[at:end].encode()) and _NUMBER_NEXT.match(comment, end):
        raise Trouble(f"quotes around the numbers of {key}")
    return Raw(comment[at:end]), end


def _closed(comment: str, at: int, key: str) -> int:
    """Where the bracket that opens at `at` is closed."""
    pair, depth = re.compile(r"[\[\]]" if comment[at] == "[" else r"[{}]"), 0
    for match in pair.finditer(comment, at):
        depth += 1 if match[0] == comment[at] else -1
        if depth == 0:
            return match.end()
    raise Trouble(f"the value of {key} to end with its bracket")


def parse_value(key: str, raw: Raw | None) -> np.ndarray | str:
    """Numbers or flags, `[]`, `[k]` or `[k, l]`; text if it is neither."""
    if raw is None:
        return np.array(True)
    if key.lower() == "uid":
        return raw.text
    array = _json(raw.text) if raw.text.startswith("_JSON ") else _array(raw)
    if key.lower() in _LABELS and _is_not_finite(raw.text):
        raise Trouble(f"a finite number for {key}")
    if array is None or array.size == 0:
        return raw.text
    if key.lower() in _LABELS and array.dtype.kind == "i":
        array = array.astype(np.float64)
    return _matrix(key, array) if key in ("stress", "virial") else array


def _is_not_finite(text: str) -> bool:
    words = [word.encode() for word in _FIELDS.findall(text.strip("[]"))]
    odd = [word for word in words if not NUMBER_TEXT.fullmatch(word)]
    return bool(odd) and all(map(NOT_FINITE.fullmatch, odd))


def _matrix(key: str, array: np.ndarray) -> np.ndarray:
    """Six numbers are in Voigt's order, nine lie column by column; only a symmetric stress has a meaning."""
    if array.dtype.kind == "f" and array.shape == (6,):
        return array[_VOIGT]
    if array.dtype.kind != "f" or array.shape != (9,):
        return array
    matrix = array.reshape(3, 3).T
    return np.triu(matrix) + np.triu(matrix, 1).T if key == "stress" else matrix


def _array(raw: Raw) -> np.ndarray | None:
    text = raw.text
    if raw.mark == "[":
        if text.startswith("[[") or "[" in text[1:]:
            return _nested(text)
        text = text[1:-1]
    return _numbers(_FIELDS.findall(text), alone=raw.mark != "[")


def _nested(text: str) -> np.ndarray | None:
    """Rows of equal length in brackets."""
    rows = re.findall(r"\[([^\[\]]*)\]", text)
    if re.sub(r"\[[^\[\]]*\]|[ \t,]", "", text) != "[]":
        return None
    arrays = [_numbers(_FIELDS.findall(row), alone=False) for row in rows]
    if not arrays or any(a is None or a.shape != arrays[0].shape for a in arrays):
        return None
    kinds = {a.dtype.kind for a in arrays}
    return np.stack(arrays) if kinds <= {"i", "f"} or kinds == {"b"} else None


def _numbers(words: list[str], alone: bool) -> np.ndarray | None:
    """Integers, real numbers or flags; a single one has no axis if it may stand alone."""
    array = _parsed(words)
    return array.reshape(()) if array is not None and alone and len(words) == 1 else array


def _parsed(words: list[str]) -> np.ndarray | None:
    tokens = [word.encode() for word in words]
    if not tokens:
        return None
    if (integers := whole(tokens)) is not None:
        return integers
    if all(map(NUMBER_TEXT.fullmatch, tokens)):
        is_real = any(not token.lstrip(b"+-").isdigit() for token in tokens)
        return np.array(floats(tokens)) if is_real else None  # digits of more than an integer are a name
    return np.array([_FLAGS[word] for word in words]) if all(word in _FLAGS for word in words) else None


def _json(text: str) -> np.ndarray | None:
    try:
        array = np.array(json.loads(text.removeprefix("_JSON ")))
    except (ValueError, RecursionError, OverflowError):
        return None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return None
    return array if array.dtype.kind in "bif" else None


def parse_pbc(raw: Raw) -> np.ndarray:
    """Which directions are periodic `[3]`: three flags, or one for all."""
    text = raw.text.removeprefix("_JSON ").strip(" \t[](){}")
    words = _FIELDS.findall(text)
    if len(words) == 1 and re.fullmatch(r"[TtFf]{3}|[01]{3}", words[0]):
        words = list(words[0])
    if len(words) not in (1, 3) or not all(re.fullmatch(_FLAG.decode(), word) for word in words):
        raise Trouble('pbc="T T F", three of T and F')
    flags = [word.strip(".")[0] in "Tt1" for word in words]
    return np.array(flags if len(flags) == 3 else 3 * flags)


def parse_cell(raw: Raw) -> np.ndarray:
    """The vectors of the cell as rows `[3, 3]`, in float64."""
    text = raw.text[1:-1] if raw.mark == "[" else raw.text
    tokens = [word.encode() for word in _FIELDS.findall(text)]
    if len(tokens) != 9 or not all(map(NUMBER_TEXT.fullmatch, tokens)):
        raise Trouble('Lattice="..." with nine finite numbers')
    return np.array(floats(tokens)).reshape(3, 3)
