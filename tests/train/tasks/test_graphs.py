"""Classification of graphs: loss, splits, frames kept with the data, and runs that go on."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import CanonicalFrame, FrameAveraging, SpectralFrame
from fa_pyg.datasets import EXPLike
from fa_pyg.models import GIN
from fa_pyg.train import GraphCLI, GraphData, GraphModule, load_best, main
from fa_pyg.train.checkpoints import AtomicCheckpointIO
from fa_pyg.train.logs import read_metrics
from fa_pyg.transforms import AddFrames, NodeDegree

CANONICAL = """
model:
  model:
    class_path: fa_pyg.FrameAveraging
    init_args:
      model:
        class_path: fa_pyg.models.GIN
        init_args: {in_channels: 3, hidden_channels: 8, num_layers: 2, out_channels: 1, ids: 80}
      frame: {class_path: fa_pyg.CanonicalFrame}
data:
  dataset: {class_path: fa_pyg.datasets.EXPLike, init_args: {num_pairs: 12}}
  transforms:
  - {class_path: fa_pyg.transforms.NodeDegree}
  - {class_path: fa_pyg.transforms.AddFrames, init_args: {frame: {class_path: fa_pyg.CanonicalFrame}}}
  val: 4
  test: 4
  batch_size: 5
trainer: {max_epochs: 4, enable_progress_bar: false}
"""
SPECTRAL = CANONICAL.replace("CanonicalFrame", "SpectralFrame").replace("\ndata:", "\n  sample: 1\ndata:")


class Mean(nn.Module):
    """The mean of the first feature, and a learned number."""

    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(0.5))

    def forward(self, x, edge_index, batch):
        return torch.stack([x[batch == b, :1].mean(0) for b in range(int(batch.max()) + 1)]) + self.by


@pytest.fixture
def batch():
    torch.manual_seed(1)
    none = torch.zeros(2, 0, dtype=torch.long)
    sizes, labels = (2, 5, 1, 3), (1, 0, 0, 1)
    graphs = [
        Data(x=torch.randn(n, 2), edge_index=none, y=torch.tensor([y]))
        for n, y in zip(sizes, labels, strict=True)
    ]
    return Batch.from_data_list(graphs)


def test_loss_is_the_cross_entropy_and_accuracy_counts(batch):
    module = GraphModule(Mean())
    module.on_train_epoch_start()
    loss = module.training_step(batch, 0)
    logits = [data.x[:, 0].mean().item() + 0.5 for data in batch.to_data_list()]
    chance = [1 / (1 + math.exp(-z)) for z in logits]
    labels = batch.y.tolist()
    expected = [-math.log(p if y else 1 - p) for p, y in zip(chance, labels, strict=True)]
    assert loss.item() == pytest.approx(sum(expected) / 4, rel=1e-5)
    right = sum((p > 0.5) == bool(y) for p, y in zip(chance, labels, strict=True))
    assert 0 < right < 4
    assert module._sum.flatten().tolist() == pytest.approx([4 * loss.item(), right, 4, 4])


def test_outputs_of_another_shape(batch):
    with pytest.raises(ValueError, match=r"model: expected logits \[4, 1\], found \[4, 2\]"):
        GraphModule(GIN(2, 4, 1, 2))(batch)


def test_splits_are_the_graphs_in_their_order():
    dataset = EXPLike(num_pairs=12)
    data = GraphData(dataset, [NodeDegree()], val=4, test=6, batch_size=5)
    for name, first, size in (("val", 0, 4), ("test", 4, 6), ("train", 10, 14)):
        for found, graph in zip(data.split(name).to_data_list(), dataset[first : first + size], strict=True):
            assert torch.equal(found.edge_index, graph.edge_index)
            assert torch.equal(found.y, graph.y)
            degree = torch.bincount(graph.edge_index[0], minlength=graph.num_nodes)
            assert torch.equal(found.x, torch.cat([graph.x, degree.unsqueeze(1)], dim=1))
    sizes = [batch.num_graphs for batch in data.train_dataloader()]
    assert sizes == [5, 5, 4]
    for wrong in ({"val": 12, "test": 12}, {"val": 0}):
        with pytest.raises(ValueError, match="val, test: expected"):
            GraphData(dataset, **wrong)


@pytest.mark.parametrize("sample", [None, 1])
def test_frames_kept_with_the_data_are_those_of_the_model(sample, monkeypatch):
    model = FrameAveraging(GIN(2, 8, 2, 1, ids=80), CanonicalFrame("S(n)"))
    data = GraphData(EXPLike(num_pairs=12), [AddFrames(CanonicalFrame("S(n)"))], val=4, test=4, batch_size=6)
    batch = next(iter(data.train_dataloader()))
    with torch.no_grad():
        expected = model(batch.x, batch.edge_index, batch=batch.batch).squeeze(1)
        monkeypatch.setattr(CanonicalFrame, "build", None)  # no frames are computed from here on
        found = GraphModule(model, sample=sample)(batch)
    torch.testing.assert_close(found, expected)
    assert expected.std() > 0


def test_some_of_the_kept_frames_are_drawn():
    """The mean of many draws of one frame is the average over all."""
    frame = SpectralFrame("S(n)", max_frames=3)
    torch.manual_seed(2)
    data = GraphData(EXPLike(num_pairs=12), [AddFrames(frame)], val=4, test=4, batch_size=6).split("val")
    model = FrameAveraging(GIN(2, 8, 2, 1, ids=80), frame)
    with torch.no_grad():
        draws = torch.stack([GraphModule(model, sample=1)(data) for _ in range(300)])
        every = GraphModule(model)(data)
    assert draws.std(0).max() > 1e-4
    deviation = (draws.mean(0) - every).abs()
    assert (deviation <= 4 * draws.std(0) / math.sqrt(300) + 1e-6).all()


@pytest.fixture
def arguments(tmp_path):

    def make(text, *more):
        return ["--config", text, f"--trainer.default_root_dir={tmp_path}", *more]

    return make


def test_a_run_reports_the_accuracy_of_its_best_epoch(arguments):
    results = main(arguments(CANONICAL), GraphCLI)
    folder = Path(results["folder"])
    assert {"best.ckpt", "last.ckpt", "loss.png", "results.json"} <= {path.name for path in folder.iterdir()}
    losses = {int(r["epoch"]) + 1: float(r["val/loss"]) for r in read_metrics(folder) if "val/loss" in r}
    assert results["best_epoch"] == min(losses, key=losses.get)
    assert results["val_loss"] == pytest.approx(min(losses.values()))

    module = load_best(folder, GraphCLI)
    test = GraphCLI(arguments(CANONICAL)).datamodule.split("test")
    with torch.no_grad():
        right = ((module(test) > 0).long() == test.y).float().mean().item()
    assert results["test_accuracy"] == pytest.approx(right)


@pytest.mark.parametrize("text", [CANONICAL, SPECTRAL], ids=["canonical", "spectral"])
def test_resumed_run_is_the_uninterrupted_one(text, arguments, monkeypatch):
    step = GraphModule.training_step

    def stop_in_the_third_epoch(self, batch, batch_idx):
        if self.global_step == 10:
            raise InterruptedError
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(GraphModule, "training_step", stop_in_the_third_epoch)
        with pytest.raises(InterruptedError):
            main(arguments(text, "--name=parts"), GraphCLI)
    parts = main(arguments(text, "--name=parts", "--ckpt_path=last"), GraphCLI)
    whole = main(arguments(text, "--name=whole"), GraphCLI)
    assert {**parts, "folder": 0, "name": 0} == {**whole, "folder": 0, "name": 0}
    a, b = (torch.load(Path(run["folder"]) / "last.ckpt", weights_only=True) for run in (parts, whole))
    torch.testing.assert_close(a["state_dict"], b["state_dict"], rtol=0, atol=0)


def test_fewer_checkpoints(arguments, monkeypatch):
    written = []
    save = AtomicCheckpointIO.save_checkpoint

    def count(io, checkpoint, path, storage_options=None):
        written.append(Path(path).name)
        save(io, checkpoint, path, storage_options)

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", count)
    results = main(arguments(CANONICAL, "--checkpoint_every=2"), GraphCLI)
    assert written.count("last.ckpt") == 2
    assert torch.load(Path(results["folder"]) / "last.ckpt", weights_only=True)["epoch"] == 3


def test_a_run_too_short_for_a_validation_and_a_checkpoint_is_tested(arguments):
    every = ["--checkpoint_every=3", "--trainer.check_val_every_n_epoch=10", "--trainer.max_epochs=2"]
    results = main(arguments(CANONICAL, *every), GraphCLI)
    assert results["epochs"] == results["best_epoch"] == 2
    assert 0 <= results["test_accuracy"] <= 1
