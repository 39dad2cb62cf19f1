"""Commands ``fa-pyg build``: data sets that are computed here."""

from __future__ import annotations
