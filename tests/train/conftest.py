"""Small n-body data and command lines for training runs of a second."""

import pytest

from fa_pyg.train import NBodyData


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """A cache with 20 samples of each split."""
    root = tmp_path_factory.mktemp("nbody")
    NBodyData(root, num_samples=20).prepare_data()
    return root
