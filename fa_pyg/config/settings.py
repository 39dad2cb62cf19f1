"""Settings in YAML files of anybody, as plain data: nothing is imported, and no object made."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import yaml

from fa_pyg.config.old_names import with_new_settings

__all__ = ["Unfit", "held", "parse", "read", "short", "with_new_names"]

MOST_BYTES, MOST_ENTRIES, DEEPEST = 1_000_000, 20_000, 60
MOST_MERGED = 10, 1000  # of ``<<``: mappings, and what they have together
ODD = (LookupError, AttributeError, ArithmeticError, RecursionError, TypeError)  # of values, by PyYAML


class Unfit(ValueError):
    """YAML that is more than settings are, or says of a value what it is not (``!!bool maybe``)."""


class _Loader(yaml.SafeLoader):  # in Python: too deep a file is an error and not a crash
    """Plain YAML, as deep as settings are, of which ``<<`` makes no more than it should."""

    level = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.level += 1
        if self.level > DEEPEST:
            raise Unfit(f"expected at most {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        if any(isinstance(one, yaml.SequenceNode) and len(one.value) > MOST_MERGED[0] for one in merged):
            raise Unfit(f"expected at most {MOST_MERGED[0]} mappings after <<")
        super().flatten_mapping(node)
        if merged and len(node.value) > MOST_MERGED[1]:
            raise Unfit(f"expected at most {MOST_MERGED[1]} settings by <<")


def read(path: str | Path) -> dict[str, Any]:
    """The settings of a YAML file: mappings, lists, text and numbers, in which no object was made.

    Raises:
        ValueError: naming the file, where it is not such a file, or is larger or deeper than settings are.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: expected a configuration, found none ({error.strerror})") from error
    return parse(content, str(path))


def parse(content: bytes | str, source: str) -> dict[str, Any]:
    """The settings of YAML text, as :func:`read` gives them; ``source`` is what errors call it."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"{source}: expected a configuration, found more than {MOST_BYTES} bytes")
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        found = _loaded(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{source}: expected a configuration in YAML ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"{source}: expected settings by their names, found {short(found)}")
    return with_new_settings(found, source)


def with_new_names(text: str) -> str:
    """Replace old names of arguments in YAML text; other text is returned unchanged. Without warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", DeprecationWarning)
        try:
            settings = parse(text, "settings")
        except ValueError:  # for its reader to report
            return text
    return yaml.safe_dump(settings, sort_keys=False) if found else text


def _loaded(text: str) -> Any:
    """What plain YAML holds, with all that its aliases repeat no more than settings can be."""
    try:
        found = yaml.load(text, _Loader)
    except ODD as error:
        raise Unfit(f"expected values of YAML, found others ({type(error).__name__}: {error})") from error
    entries, layer = 0, [found]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in layer:
            entries += 1 + (len(one) // 100 if isinstance(one, str) else 0)
            inner += _parts(one)
            if entries + len(inner) > MOST_ENTRIES:
                raise Unfit(f"expected at most {MOST_ENTRIES} entries")
        layer = inner
    if layer:
        raise Unfit(f"expected at most {DEEPEST} levels")
    return found


def _parts(one: Any) -> list[Any]:
    if isinstance(one, dict):
        return [*one, *one.values()]
    return list(one) if isinstance(one, list | tuple | set) else []


def held(text: str) -> Any:
    """What YAML in a text of settings holds: the text itself, unless it is something else in YAML.

    Raises:
        Unfit: for YAML that whoever reads the text as such should not: it may be endless.
    """
    try:
        return _loaded(text)
    except Unfit:
        raise
    except (yaml.YAMLError, ValueError):
        return text


def short(found: object) -> str:
    """An object in words that fit a line."""
    text = repr(found)
    return text if len(text) <= 200 else f"{text[:200]}..."
