"""Command lines of commands that load torch, which are parsed and checked before that."""

from __future__ import annotations

from fa_pyg.options.parser import Parser, close, printable

__all__ = ["Parser", "close", "printable"]
