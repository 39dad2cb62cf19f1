"""Limits on what jsonargparse imports and builds while it reads a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jsonargparse import _common, set_parsing_settings

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import only_weights

__all__ = ["guarded"]


@contextmanager
def guarded(allowed: Allowlist) -> Iterator[None]:
    """Let jsonargparse import only what is listed, and build nothing for arguments without a type.

    The second barrier after :func:`~fa_pyg.config.check.check`: it holds whatever a file is parsed into.
    Within it every ``torch.load`` reads tensors and plain data only.

    Not guaranteed: anything for other threads; these settings belong to the process.
    """
    kept = dict(_common.parsing_settings)
    try:
        _common.parsing_settings["import_path_verdicts"] = {}
        set_parsing_settings(
            import_path_denylist=["*"],
            import_path_allowlist=[*allowed.known, *allowed.packages],
            instantiate_subclass_spec_in_any=False,
        )
        with only_weights():
            yield
    finally:
        _common.parsing_settings.clear()
        _common.parsing_settings.update(kept)
