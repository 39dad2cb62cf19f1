"""The check of frames of graphs passes what is one, and fails what is none."""

import pytest
import torch

from fa_pyg import CanonicalFrame, PermutationFrame, PermutationFrames, RandomNodeFrame, SpectralFrame
from fa_pyg.builders.ties import orders
from fa_pyg.testing import assert_permutation_frame, graph_catalogue


class AsGiven(PermutationFrame):
    """The order in which the nodes came: no frame."""

    def build(self, graphs):
        local = graphs.numbers.local[graphs.numbers.by_body]
        return PermutationFrames(
            local, graphs.numbers.counts, batch=graphs.batch, edge_index=graphs.edge_index
        )


class ByDegree(PermutationFrame):
    """All orders that sort the nodes by their out-degrees, and by nothing else."""

    def build(self, graphs):
        degree = torch.bincount(graphs.edge_index[0], minlength=len(graphs.batch))
        same = graphs.batch.unsqueeze(1) == graphs.batch
        rank = (same & (degree < degree.unsqueeze(1))).sum(1)
        known = {"edge_index": graphs.edge_index, "edge_color": graphs.edge_color}
        return PermutationFrames.ragged(**orders(rank, graphs.numbers, 720), numbers=graphs.numbers, **known)


class FirstByDegree(ByDegree):
    """One of them only."""

    def build(self, graphs):
        frames = super().build(graphs)
        return frames.with_one_frame(torch.ones(graphs.size, dtype=torch.bool))


@pytest.mark.parametrize(
    "frame",
    [CanonicalFrame(), CanonicalFrame(first=SpectralFrame()), SpectralFrame(max_frames=720), ByDegree()],
    ids=["canonical", "spectral first", "spectral", "degree"],
)
def test_frames_pass(frame):
    assert_permutation_frame(frame, trials=3)


@pytest.mark.parametrize(
    "frame", [AsGiven(), RandomNodeFrame(k=3), SpectralFrame(max_frames=2), FirstByDegree()]
)
def test_what_is_none_fails(frame):
    with pytest.raises(AssertionError, match="has other framed graphs"):
        assert_permutation_frame(frame)


def test_a_frame_that_sees_the_batch_fails():
    class Sees(CanonicalFrame):
        def build(self, graphs):
            frames = super().build(graphs)
            return frames if graphs.size == 1 else AsGiven().build(graphs)

    with pytest.raises(AssertionError, match="in a batch than alone"):
        assert_permutation_frame(Sees())


def test_catalogue():
    found = graph_catalogue()
    assert {one.num_nodes for one in found.values()} >= {1, 3, 4, 5, 6, 7}
    assert any(one.has_self_loops() for one in found.values())
    assert any(one.is_directed() for one in found.values())
