"""For every test: one thread, the same seed, and two floating-point types where it asks for ``dtype``."""

import os
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch, and for the processes that tests start

import hypothesis
import pytest
import torch
from torch_geometric import seed_everything

torch.set_num_threads(1)  # pytest-xdist runs one process a core
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Makes each test's random numbers its own, whichever tests ran before it."""
    seed_everything(0)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture(scope="session")
def caught() -> Callable[[Callable], list[str]]:
    """Calls a function and returns the texts of all warnings that it gives."""

    def texts(run: Callable) -> list[str]:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            run()
        return [str(one.message) for one in found]

    return texts
