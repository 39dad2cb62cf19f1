"""Parse values of a comment line of extended XYZ: numbers, flags, or text."""

from __future__ import annotations

import json
import re

import numpy as np

from fa_pyg.io.xyz.attribute_names import MATRICES, OF_ATOMS
from fa_pyg.io.xyz.grammar import NOT_FINITE, NUMBER_TEXT, floats, integers
from fa_pyg.io.xyz.header import FLAG, HeaderError, RawValue

__all__ = ["parse_cell", "parse_pbc", "parse_value"]

_FIELDS = re.compile(r"[^ \t,]+")
_FLAGS: dict[str, bool] = dict.fromkeys(("T", "true", "True", "TRUE"), True)
_FLAGS |= dict.fromkeys(("F", "false", "False", "FALSE"), False)
_VOIGT = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]  # xx yy zz yz xz xy


def parse_value(key: str, raw: RawValue | None) -> np.ndarray | str:
    """Return numbers or flags, ``[]``, ``[k]`` or ``[k, l]``, or otherwise text."""
    if raw is None:
        return np.array(True)
    if key.lower() == "uid":
        return raw.text
    array = _json(raw.text) if raw.text.startswith("_JSON ") else _array(raw)
    if key.lower() in OF_ATOMS and _is_not_finite(raw.text):
        raise HeaderError(f"a finite number for {key}")
    if array is None or array.size == 0:
        return raw.text
    if key.lower() in OF_ATOMS and array.dtype.kind == "i":
        array = array.astype(np.float64)
    return _matrix(key, array) if key in MATRICES else array


def _is_not_finite(text: str) -> bool:
    words = [word.encode() for word in _FIELDS.findall(text.strip("[]"))]
    odd = [word for word in words if not NUMBER_TEXT.fullmatch(word)]
    return bool(odd) and all(map(NOT_FINITE.fullmatch, odd))


def _matrix(key: str, array: np.ndarray) -> np.ndarray:
    """Return six numbers (Voigt) or nine (column by column) as a matrix, symmetric for a stress."""
    if array.dtype.kind == "f" and array.shape == (6,):
        return array[_VOIGT]
    if array.dtype.kind != "f" or array.shape != (9,):
        return array
    matrix = array.reshape(3, 3).T
    return np.triu(matrix) + np.triu(matrix, 1).T if key == "stress" else matrix


def _array(raw: RawValue) -> np.ndarray | None:
    text = raw.text
    if raw.mark == "[":
        if text.startswith("[[") or "[" in text[1:]:
            return _nested(text)
        text = text[1:-1]
    return _numbers(_FIELDS.findall(text), alone=raw.mark != "[")


def _nested(text: str) -> np.ndarray | None:
    """Parse rows of equal length in brackets."""
    rows = re.findall(r"\[([^\[\]]*)\]", text)
    if re.sub(r"\[[^\[\]]*\]|[ \t,]", "", text) != "[]":
        return None
    found = [_numbers(_FIELDS.findall(row), alone=False) for row in rows]
    arrays = [a for a in found if a is not None]
    if not arrays or len(arrays) < len(found) or any(a.shape != arrays[0].shape for a in arrays):
        return None
    kinds = {a.dtype.kind for a in arrays}
    return np.stack(arrays) if kinds <= {"i", "f"} or kinds == {"b"} else None


def _numbers(words: list[str], alone: bool) -> np.ndarray | None:
    """Parse integers, real numbers or flags; a single value has no axis if ``alone``."""
    array = _parsed(words)
    return array.reshape(()) if array is not None and alone and len(words) == 1 else array


def _parsed(words: list[str]) -> np.ndarray | None:
    tokens = [word.encode() for word in words]
    if not tokens:
        return None
    if (found := integers(tokens)) is not None:
        return found
    if all(map(NUMBER_TEXT.fullmatch, tokens)):
        is_real = any(not token.lstrip(b"+-").isdigit() for token in tokens)
        return np.array(floats(tokens)) if is_real else None  # too many digits for an integer are a name
    return np.array([_FLAGS[word] for word in words]) if all(word in _FLAGS for word in words) else None


def _json(text: str) -> np.ndarray | None:
    try:
        array = np.array(json.loads(text.removeprefix("_JSON ")))
    except (ValueError, RecursionError, OverflowError):
        return None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return None
    return array if array.dtype.kind in "bif" else None


def parse_pbc(raw: RawValue) -> np.ndarray:
    """Return which directions are periodic ``[3]``, from three flags or a common one."""
    text = raw.text.removeprefix("_JSON ").strip(" \t[](){}")
    words = _FIELDS.findall(text)
    if len(words) == 1 and re.fullmatch(r"[TtFf]{3}|[01]{3}", words[0]):
        words = list(words[0])
    if len(words) not in (1, 3) or not all(re.fullmatch(FLAG.decode(), word) for word in words):
        raise HeaderError('pbc="T T F", three of T and F')
    flags = [word.strip(".")[0] in "Tt1" for word in words]
    return np.array(flags if len(flags) == 3 else 3 * flags)


def parse_cell(raw: RawValue) -> np.ndarray:
    """Return the vectors of the cell as rows ``[3, 3]``, in float64."""
    text = raw.text[1:-1] if raw.mark == "[" else raw.text
    tokens = [word.encode() for word in _FIELDS.findall(text)]
    if len(tokens) != 9 or not all(map(NUMBER_TEXT.fullmatch, tokens)):
        raise HeaderError('Lattice="..." with nine finite numbers')
    return np.array(floats(tokens)).reshape(3, 3)
