"""Common parts of the contract of frames: promises of a frame, test inputs, reports of failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from unittest import SkipTest

import torch
from torch import Tensor

from fa_pyg.builders import Frame
from fa_pyg.frames import Frames
from fa_pyg.testing.catalogue import NamedCloud, catalogue
from fa_pyg.testing.continuity import Line, lines
from fa_pyg.testing.exactness import assert_exact
from fa_pyg.testing.frames import assert_same_sets

__all__ = ["BATCH", "ContractBase", "failures_on", "for_each_group"]

BATCH = torch.tensor([1, 0, 2, 1, 0, 2, 2, 1, 0, 0, 1, 2, 2, 0, 1])  # unsorted

C = TypeVar("C", bound="ContractBase")


def for_each_group(check: Callable[[C, Frame], None]) -> Callable[[C], None]:
    """Make a test that runs a check on the frame of every group and reports all failures."""

    def test(self: C) -> None:
        found = {group: _failure(self, check, group) for group in self.groups}
        failed = {group: error for group, error in found.items() if error is not None}
        if failed:
            table = "\n".join(f"{group}: {type(e).__name__}: {e}" for group, e in failed.items())
            raise AssertionError(f"{check.__doc__}\n{table}") from next(iter(failed.values()))

    test.__name__, test.__doc__ = check.__name__, check.__doc__  # not wraps(): the test takes no frame
    return test


def _failure(contract: C, check: Callable[[C, Frame], None], group: str) -> Exception | None:
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            check(contract, contract.make(group))
    except SkipTest:
        raise
    except Exception as error:  # report the other groups, too
        return error
    return None


@contextmanager
def failures_on(what: str) -> Iterator[None]:
    """Prefix failures with the input that they occurred on."""
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        raise AssertionError(f"on {what}: {kind}{error}") from error


class ContractBase:
    """Promises of a frame, its test inputs, and helpers of the tests.

    See :class:`~fa_pyg.testing.FrameContract`.
    """

    groups: Sequence[str] = [f"{kind}({dim})" for kind in ("O", "SO", "E", "SE", "T") for dim in (1, 2, 3, 4)]
    stochastic = False
    continuous = False
    smooth = False
    exact = False
    differentiable = True
    learned = False
    resolution = 1.0

    def make(self, group: str) -> Frame:
        """Return the frame of a group, in the mode to be tested."""
        raise NotImplementedError

    def points(self, frame: Frame) -> Tensor:
        """Return 15 generic points ``[15, d]`` of three graphs, float64."""
        dim, generator = frame.group.dim, torch.Generator().manual_seed(0)
        x = torch.randn(15, dim, generator=generator, dtype=torch.float64)
        return x * torch.linspace(1, 2, dim, dtype=torch.float64) + 1

    def clouds(self, dim: int) -> Iterable[NamedCloud]:
        """Return degenerate clouds on which the frame is ``exact``; restrict them for a weaker promise."""
        return catalogue(dim)

    def lines(self, dim: int) -> Iterable[Line]:
        """Return lines along which the frame is ``continuous``; restrict them for a weaker promise."""
        return lines(dim=dim)

    def _require(self, promise: bool, what: str) -> None:
        """Skip the test unless the frame promises what it checks."""
        if not promise:
            raise SkipTest(f"{type(self).__name__} does not promise {what}")

    def _assert_exact(self, frame: Frame, clouds: list[NamedCloud], what: str, **options) -> None:
        """Assert that a frame is exact; if it raises, name the cloud that it raises on."""
        with failures_on(what):
            try:
                assert_exact(frame, clouds, **options)
            except AssertionError:  # names the clouds
                raise
            except Exception:
                for cloud in clouds:
                    with failures_on(cloud.name):
                        assert_exact(frame, [cloud], **options)
                raise

    def _assert_same(self, a: Frames, b: Frames, bodies: Sequence[int], tol: float = 1e-9) -> None:
        """Assert that bodies of two batches have the same weighted sets of rotations."""
        for body in bodies:
            assert_same_sets(a, b, body, body, tol)

    def _draw(self, frame: Frame, pos: Tensor, autocast: bool = False) -> Frames:
        """Return frames of a fixed random draw."""
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            return frame(pos, batch=BATCH)
