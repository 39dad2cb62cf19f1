"""Clouds of the catalogue as batches, for all tests of weighted frames."""

import pytest
import torch

from fa_pyg.testing import catalogue


@pytest.fixture(scope="session")
def few():
    """Every so many-th small cloud of the catalogue: ``few(dim, every)``."""
    clouds = {dim: [cloud for cloud in catalogue(dim) if len(cloud.pos) < 14] for dim in (2, 3)}
    return lambda dim, every: clouds[dim][::every]


@pytest.fixture(scope="session")
def collated():
    """Clouds as one batch: atomic numbers (1 where there are none), positions, batch."""

    def collate(clouds):
        z = [torch.ones(len(c.pos), dtype=torch.long) if c.z is None else c.z for c in clouds]
        batch = torch.arange(len(clouds)).repeat_interleave(torch.tensor([len(c.pos) for c in clouds]))
        return torch.cat(z), torch.cat([c.pos for c in clouds]), batch

    return collate
