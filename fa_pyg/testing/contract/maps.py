"""Contract of frames as maps from batches of points to weighted sets of group elements."""

from __future__ import annotations

import torch

from fa_pyg.builders import Frame
from fa_pyg.testing.contract.base import BATCH, ContractBase, failures_on, for_each_group
from fa_pyg.testing.frames import assert_frame, assert_same_sets

__all__ = ["MapContract"]


class MapContract(ContractBase):
    """Tests of F(gx) = gF(x), and of batches: order, separation, empty graphs, NaN."""

    @for_each_group
    def test_elements(self, frame: Frame) -> None:
        """Frames are weighted elements of the group."""
        assert_frame(frame, self.points(frame), batch=BATCH, trials=0)

    @for_each_group
    def test_equivariance_as_weighted_sets(self, frame: Frame) -> None:
        """F(gx) = gF(x) for points, several vectors, channels, and weights."""
        self._require(not self.stochastic, "F(gx) = gF(x) for a single draw")
        pos, weight = self.points(frame), torch.linspace(0.5, 2, len(BATCH))
        with failures_on("generic points"):
            assert_frame(frame, pos, batch=BATCH, trials=1)
        with failures_on("generic points with vectors and weights"):
            assert_frame(frame, pos, pos.flip(0), batch=BATCH, node_weight=weight, trials=1)
        channels = torch.stack([pos, 0.7 * pos + 0.3 * pos.roll(1, 0)], dim=1)
        with failures_on("generic points of two channels"):
            assert_frame(frame, channels, batch=BATCH, trials=1)

    @for_each_group
    def test_a_batch_is_its_graphs_one_by_one(self, frame: Frame) -> None:
        """Frames of a graph do not depend on other graphs of the batch."""
        self._require(not self.stochastic, "a fixed value")
        pos = self.points(frame)
        frames = frame(pos, batch=BATCH)
        for body in range(3):
            alone = frame(pos[body == BATCH])
            assert_same_sets(frames, alone, body, 0)
            if frames.origin is not None:
                assert torch.allclose(frames.origin[body], alone.origin[0]), (
                    f"origin: differs for body {body}"
                )

    @for_each_group
    def test_node_order(self, frame: Frame) -> None:
        """Frames do not depend on the order of the nodes."""
        self._require(not self.stochastic, "a fixed value")
        pos, order = self.points(frame), torch.randperm(len(BATCH))
        a, b = frame(pos, batch=BATCH), frame(pos[order], batch=BATCH[order])
        self._assert_same(a, b, (0, 1, 2))

    @for_each_group
    def test_a_nan_stays_in_its_graph(self, frame: Frame) -> None:
        """A NaN does not affect frames and gradients of other graphs."""
        pos = self.points(frame)
        good, bad = frame(pos, batch=BATCH), pos.clone()
        bad[0] = torch.nan  # graph 1
        bad.requires_grad_()
        frames = frame(bad, batch=BATCH)
        assert frames.rotation[frames.body != 1].isfinite().all(), (
            "a NaN of graph 1 is in frames of another graph"
        )
        if not self.stochastic:
            self._assert_same(frames, good, (0, 2))
        if frames.rotation.requires_grad:
            value = frames.rotation[frames.body != 1].sum() + frames.weight[frames.body != 1].sum()
            gradient = torch.autograd.grad(value, bad, allow_unused=True)[0]
            if gradient is not None:
                assert gradient[BATCH != 1].isfinite().all(), (
                    "a NaN of graph 1 is in the gradient of another graph"
                )

    @for_each_group
    def test_empty_graphs_and_none(self, frame: Frame) -> None:
        """Graphs without nodes have frames; a batch without graphs has none."""
        pos = self.points(frame)
        frames = frame(pos, batch=BATCH + 1, num_graphs=6)
        assert frames.num_bodies == 6, f"expected 6 bodies, found {frames.num_bodies}"
        assert frames.counts.min() >= 1, "a graph without nodes has no frame"
        assert frames.rotation.isfinite().all(), "the frames of a graph without nodes are not finite"
        assert frames.weight.isfinite().all(), "the weights of a graph without nodes are not finite"
        if not self.stochastic:
            plain = frame(pos, batch=BATCH)
            for body in range(3):
                assert_same_sets(frames, plain, body + 1, body)
        none = frame(pos[:0], batch=BATCH[:0])
        assert none.num_frames == 0, f"no graphs: expected no frames, found {none}"
