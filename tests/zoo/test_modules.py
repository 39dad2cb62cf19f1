"""A framed model is a module like any other: saved, copied, cast, compiled, distributed, trained."""

import copy
import io
import pickle
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch_geometric.nn import GIN, global_add_pool

from fa_pyg import FrameAveraging, HaarFrame, MotionFrame, PCAFrame, PerMode, Rep, Sample
from fa_pyg.testing import assert_equivariant, random_motion

BATCH = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
EDGES = torch.stack([torch.arange(9), torch.tensor([1, 2, 3, 0, 5, 6, 7, 8, 4])])
X = torch.randn(9, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2, 3, 1, 2, 3]) + 1


def framed(frame=None, **kwargs):
    torch.manual_seed(0)
    frame = PCAFrame("E(3)") if frame is None else frame
    net = GIN(6, 16, num_layers=2, out_channels=3, **kwargs)
    return FrameAveraging(net, frame, {"x": Rep(1, affine=True, flat=True)}, "vector", level="node")


def call(model):
    return model(X.to(next(model.parameters()).dtype), EDGES, batch=BATCH)


class Energy(nn.Module):
    """A graph-level network on positions; the layers between are given."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), *layers, nn.Tanh(), nn.Linear(8, 1))
        self.calls = []

    def forward(self, pos, batch):
        self.calls.append(len(pos))
        return global_add_pool(self.layers(pos), batch, int(batch.max()) + 1).squeeze(1)


# ------------------------------------------------------------------------------------ state


def test_state_dict_is_that_of_the_model_inside():
    model = framed()
    inside = model.model.state_dict()
    assert set(model.state_dict()) == {f"model.{name}" for name in inside}
    other = framed()
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    assert not torch.allclose(call(other), call(model))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(call(other), call(model))


@pytest.mark.parametrize(
    "frame",
    [
        PCAFrame("E(3)"),
        PerMode(train=HaarFrame("E(3)", k=1), eval=PCAFrame("E(3)")),
        Sample(PCAFrame("E(3)"), k=2, generator=torch.Generator().manual_seed(0)),
    ],
    ids=["pca", "per mode", "generator"],
)
def test_whole_models_can_be_saved_and_copied(frame):
    model = framed(frame).eval()
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (
        torch.load(file, weights_only=False),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        assert torch.equal(call(other), call(model))
        assert repr(other) == repr(model)
        next(other.parameters()).data.add_(1)
        assert not torch.allclose(call(other), call(model))


def test_train_and_eval_reach_the_frame():
    model = framed(PerMode(train=Sample(PCAFrame("E(3)"), k=1), eval=PCAFrame("E(3)")))
    assert model.frame.in_training.training
    assert not torch.equal(torch.stack([call(model) for _ in range(8)]).std(0).max(), torch.tensor(0.0))
    model.eval()
    assert not model.frame.in_training.training
    assert torch.equal(call(model), call(model))
    assert model.train().frame.in_training.training


def test_types():
    model = framed().eval()
    single = call(model)
    double = call(model.double())
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert torch.allclose(single.double(), double, atol=1e-4)
    assert call(model.to(torch.bfloat16)).dtype == torch.bfloat16
    args = {"x": X.double(), "edge_index": EDGES, "batch": BATCH}
    errors = assert_equivariant(model.double(), args, "E(3)", {"x": Rep(1, affine=True, flat=True)}, "vector")
    assert max(errors.values()) < 1e-10


def test_gradients_reach_all_parameters():
    model = framed()
    call(model).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


# ------------------------------------------------------------------------------------ autocast and compile


class Kept(MotionFrame):
    """Keeps the frames of another."""

    def __init__(self, frame):
        super().__init__(frame.group)
        self.frame = frame

    def build(self, cloud):
        self.autocast = torch.is_autocast_enabled("cpu")
        self.frames = self.frame.build(cloud)
        return self.frames


def test_autocast_rounds_the_model_and_not_the_frames():
    frame = Kept(PCAFrame("E(3)"))
    model = framed(frame).eval()
    exact = call(model)
    plain = frame.frames
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = call(model)
        assert torch.is_autocast_enabled("cpu")
    assert not frame.autocast
    assert torch.equal(frame.frames.rotation, plain.rotation)
    assert torch.equal(frame.frames.origin, plain.origin)
    assert rounded.dtype == torch.bfloat16
    assert torch.allclose(rounded.float(), exact, rtol=0.05, atol=0.1)


def test_autocast_does_not_break_equivariance():
    """The framed copies are the same to the last digits, so that even a rounded model is equivariant."""
    model = framed().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        args = {"x": X, "edge_index": EDGES, "batch": BATCH}
        rep = {"x": Rep(1, affine=True, flat=True)}
        assert_equivariant(model, args, "E(3)", rep, "vector", tol=0.02)


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_compiled(where):
    """The tracer follows the wrapper, or falls back where it cannot; the numbers are the same."""
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    model = FrameAveraging(net, PCAFrame("SE(2)"), {"input": "point"})
    expected = model(X[:, :2], batch=BATCH)
    torch._dynamo.reset()
    if where == "outside":
        compiled = torch.compile(model, backend="eager")
    else:
        compiled = FrameAveraging(torch.compile(net, backend="eager"), model.frame, model.inputs)
    assert torch.allclose(compiled(X[:, :2], batch=BATCH), expected, atol=1e-5)


# ------------------------------------------------------------------------------------ distributed


DISTRIBUTED = """
import os, sys, torch
from torch import nn
from torch_geometric.nn import GIN
from fa_pyg import FrameAveraging, PCAFrame

def gradients(wrap):
    torch.manual_seed(0)
    net = GIN(3, 16, num_layers=2, out_channels=3)
    model = FrameAveraging(net, PCAFrame("O(3)"), {"x": "vector"}, "vector", level="node")
    torch.manual_seed(1)
    x, edges = torch.randn(9, 3), torch.stack([torch.arange(9), (torch.arange(9) + 1) % 9])
    wrap(model)(x, edges).square().sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])

torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=0, world_size=1)
parallel, alone = gradients(nn.parallel.DistributedDataParallel), gradients(lambda model: model)
print("equal" if torch.allclose(parallel, alone) and alone.abs().sum() > 0 else "different", flush=True)
os._exit(0)
"""


def test_distributed(tmp_path):
    # In a process of its own that does not clean up: torch's gloo threads can deadlock when they are joined.
    command = [sys.executable, "-c", DISTRIBUTED, str(tmp_path / "init")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "equal", done.stderr


# ------------------------------------------------------------------------------------ BatchNorm and dropout


@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_batch_norm_sees_all_copies_while_it_trains(chunk):
    norm = nn.BatchNorm1d(8, momentum=1.0)
    model = FrameAveraging(Energy(norm), PCAFrame("E(3)"), chunk=chunk)
    model(X[:, :3], BATCH)
    assert model.model.calls == [8 * 9]  # one call, whatever the chunk
    copies = PCAFrame("E(3)")(X[:, :3], batch=BATCH).to_frame(X[:, :3], "point")
    features = model.model.layers[0](copies)
    assert torch.allclose(norm.running_mean, features.mean(0), atol=1e-5)
    assert torch.allclose(norm.running_var, features.var(0), rtol=1e-4)
    model.eval()
    model.model.calls.clear()
    model(X[:, :3], BATCH)
    assert model.model.calls == ([9] * 8 if chunk != 3 else [27, 27, 18])


def test_batch_norm_without_running_statistics_never_splits():
    model = FrameAveraging(Energy(nn.BatchNorm1d(8, track_running_stats=False)), PCAFrame("E(3)"), chunk=1)
    model.eval()(X[:, :3], BATCH)
    assert model.model.calls == [8 * 9]


def test_training_with_batch_norm_is_equivariant():
    pos = X[:, :3].double()
    model = FrameAveraging(Energy(nn.BatchNorm1d(8)).double(), PCAFrame("E(3)"), chunk=1)
    args = {"pos": pos, "batch": BATCH}
    assert_equivariant(model.train(), args, "E(3)", tol=1e-9)


def test_batch_norm_in_a_model_without_batch_warns():
    """Frame by frame, graphs meet in chance pairs of poses: turning one of them changes the statistics."""

    class Nodes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = Energy(nn.Softplus(), nn.BatchNorm1d(8), nn.Softplus()).double().layers

        def forward(self, pos):
            return self.layers(pos)

    pos = X[:, :3].double()
    model = FrameAveraging(Nodes(), PCAFrame("SE(3)"))
    with pytest.warns(UserWarning, match="statistics are taken frame by frame"):
        before = model(pos, batch=BATCH)
    errors, g = [], torch.Generator().manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(8):
            moved = torch.cat([random_motion("SE(3)", g)(pos[:4]), pos[4:]])
            errors.append((model(moved, batch=BATCH) - before).abs().max())
        assert max(errors) > 1e-4
        warnings.simplefilter("error")
        model.eval()
        assert torch.allclose(model(moved, batch=BATCH), model(pos, batch=BATCH), atol=1e-9)


def test_dropout_draws_anew_for_every_copy():
    class Masks(nn.Dropout):
        def __init__(self):
            super().__init__(0.5)
            self.kept = []

        def forward(self, x):
            out = super().forward(torch.ones_like(x))
            self.kept.append(out)
            return out * x

    for chunk in (1, 8):
        masks = Masks()
        model = FrameAveraging(Energy(masks), PCAFrame("E(3)"), chunk=chunk)
        model(X[:, :3], BATCH)
        kept = torch.cat(masks.kept).view(8, -1)
        assert len(torch.unique(kept, dim=0)) == 8
    args = {"pos": X[:, :3].double(), "batch": BATCH}
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(model.double().train(), args, "E(3)")
    assert_equivariant(model.eval(), args, "E(3)")
