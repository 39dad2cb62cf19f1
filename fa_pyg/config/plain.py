"""YAML configuration files as plain data: nothing is imported, and no object is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fa_pyg.config.old_names import with_new_settings

__all__ = ["LimitError", "parse", "parse_text", "read", "short"]

MAX_BYTES, MAX_ENTRIES, MAX_DEPTH = 1_000_000, 20_000, 60
MAX_MERGED, MAX_MERGED_KEYS = 10, 1000  # mappings after ``<<``, and their keys together
VALUE_ERRORS = (LookupError, AttributeError, ArithmeticError, RecursionError, TypeError)  # of PyYAML


class LimitError(ValueError):
    """YAML that is larger than any configuration, or a value that contradicts its tag (``!!bool maybe``)."""


class _Loader(yaml.SafeLoader):  # written in Python: a file that is too deep is an error, not a crash
    """Safe YAML loader with limits on the depth and on what ``<<`` may merge."""

    level = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.level += 1
        if self.level > MAX_DEPTH:
            raise LimitError(f"expected at most {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        if any(isinstance(value, yaml.SequenceNode) and len(value.value) > MAX_MERGED for value in merged):
            raise LimitError(f"expected at most {MAX_MERGED} mappings after <<")
        super().flatten_mapping(node)
        if merged and len(node.value) > MAX_MERGED_KEYS:
            raise LimitError(f"expected at most {MAX_MERGED_KEYS} settings by <<")


def read(path: str | Path) -> dict[str, Any]:
    """Read the settings of a YAML file: mappings, lists, text and numbers.

    Raises:
        ValueError: naming the file, if it is not a configuration, or larger or deeper than any.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: expected a configuration, found none ({error.strerror})") from error
    return parse(content, str(path))


def parse(content: bytes | str, source: str) -> dict[str, Any]:
    """Parse the settings in YAML text, as :func:`read` returns them, with the new names of arguments.

    Args:
        content: the text.
        source: its name in errors.

    Raises:
        ValueError: naming the source, as :func:`read` does.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"{source}: expected a configuration, found more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        settings = _load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{source}: expected a configuration in YAML ({error})") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{source}: expected settings by their names, found {short(settings)}")
    return with_new_settings(settings, source)


def _load(text: str) -> Any:
    """Load YAML and count its entries, with everything that its aliases repeat."""
    try:
        root = yaml.load(text, _Loader)
    except VALUE_ERRORS as error:
        found = f"others ({type(error).__name__}: {error})"
        raise LimitError(f"expected values of YAML, found {found}") from error
    entries, layer = 0, [root]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in layer:
            entries += 1 + (len(value) // 100 if isinstance(value, str) else 0)
            inner += _children(value)
            if entries + len(inner) > MAX_ENTRIES:
                raise LimitError(f"expected at most {MAX_ENTRIES} entries")
        layer = inner
    if layer:
        raise LimitError(f"expected at most {MAX_DEPTH} levels")
    return root


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple | set) else []


def parse_text(text: str) -> Any:
    """Parse the text of a setting as YAML; text that is not YAML is returned as it is.

    Raises:
        LimitError: for YAML that would expand without end in a parser without limits.
    """
    try:
        return _load(text)
    except LimitError:
        raise
    except (yaml.YAMLError, ValueError):
        return text


def short(value: object) -> str:
    """Return the ``repr`` of an object, cut to one line."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
