"""Run of a contract without a test framework."""

from __future__ import annotations

from collections.abc import Callable
from unittest import SkipTest

from fa_pyg import checks
from fa_pyg.testing.contract.base import ContractBase

__all__ = ["run_contract"]


def run_contract(contract: type[ContractBase]) -> dict[str, AssertionError | None]:
    """Run all tests of a contract, as pytest would.

    Args:
        contract: a subclass of :class:`~fa_pyg.testing.FrameContract`.

    Returns:
        The error of each test by its name, None where it passed; tests of what the frame does not promise are
        left out.

    Raises:
        ValueError: for anything but a class of tests.
    """
    if not (isinstance(contract, type) and issubclass(contract, ContractBase)):
        checks.refuse("contract", "a subclass of FrameContract", contract)
    names = sorted(one for one in dir(contract) if one.startswith("test_"))
    found = {name: _outcome(getattr(contract(), name)) for name in names}
    return {name: error for name, error in found.items() if not isinstance(error, SkipTest)}


def _outcome(test: Callable[[], None]) -> AssertionError | SkipTest | None:
    try:
        test()
    except (AssertionError, SkipTest) as error:
        return error
    return None
