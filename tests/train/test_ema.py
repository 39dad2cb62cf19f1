"""The averaged weights: their value, what evaluates them, and what training continues from."""

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from fa_pyg.train import EMA


class Regression(LightningModule):
    """A linear map with a running statistic, and a record of the weights that each evaluation saw."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
        self.evaluated = {}

    def training_step(self, batch, batch_idx):
        return self.net(batch).square().mean()

    def validation_step(self, batch, batch_idx):
        self.evaluated["val"] = weights(self)

    def test_step(self, batch, batch_idx):
        self.evaluated["test"] = weights(self)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.3)


class Record(Callback):
    """The raw weights after every optimizer step."""

    def __init__(self) -> None:
        self.history = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.history.append(weights(pl_module))


def weights(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def loader():
    return DataLoader(torch.randn(12, 3, generator=torch.Generator().manual_seed(1)), batch_size=4)


def fit(tmp_path, *callbacks, epochs=3, ckpt_path=None, model=None):
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=[*callbacks],
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
    )
    torch.manual_seed(0)
    model = model or Regression()
    trainer.fit(model, loader(), loader(), ckpt_path=ckpt_path)
    return trainer, model


def slow_average(start, history, decay):
    """The definition, one number at a time."""
    average = {k: v.double() for k, v in start.items() if v.is_floating_point()}
    for n, now in enumerate(history, start=1):
        beta = min(decay, (1 + n) / (10 + n))
        average = {k: beta * v + (1 - beta) * now[k] for k, v in average.items()}
    return average


def assert_same(found, expected):
    assert found.keys() >= expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name].double(), value.double(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_average_is_that_of_the_definition(tmp_path, decay):
    record = Record()
    torch.manual_seed(0)
    start = weights(Regression())
    _, model = fit(tmp_path, EMA(decay), record)
    expected = slow_average(start, record.history, decay)
    assert_same(weights(model), expected)  # the model after fit
    assert_same(model.evaluated["val"], expected)  # the last validation
    if decay:  # it is not the raw weights
        assert not torch.allclose(weights(model)["net.0.weight"], record.history[-1]["net.0.weight"])


def test_training_does_not_feel_it(tmp_path):
    with_average, without = Record(), Record()
    fit(tmp_path, EMA(0.9), with_average)
    fit(tmp_path, without)
    for a, b in zip(with_average.history, without.history, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


class Save(Callback):
    def __init__(self, path, epoch):
        self.path, self.epoch = path, epoch

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)


def test_resumes_exactly_and_tests_the_average(tmp_path):
    path, whole, rest = tmp_path / "one.ckpt", Record(), Record()
    trainer, model = fit(tmp_path, EMA(0.9), Save(path, 0), whole)
    expected = weights(model)
    _, resumed = fit(tmp_path, EMA(0.9), rest, ckpt_path=path)
    torch.testing.assert_close(weights(resumed), expected, rtol=0, atol=0)
    torch.testing.assert_close(rest.history, whole.history[3:], rtol=0, atol=0)

    saved = torch.load(path, weights_only=True)
    assert not torch.equal(saved["state_dict"]["net.0.weight"], saved["ema"]["weights"]["net.0.weight"])
    trainer.test(model, loader(), ckpt_path=path, verbose=False)  # by the trainer that has fitted
    torch.testing.assert_close(model.evaluated["test"], saved["state_dict"], rtol=0, atol=0)


def test_follows_the_optimizer_where_gradients_accumulate(tmp_path):
    average = EMA(0.9)
    trainer = Trainer(
        max_epochs=2,
        accumulate_grad_batches=3,
        callbacks=[average],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Regression(), loader())
    assert average.updates == trainer.global_step == 2


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_wrong_decay(decay):
    with pytest.raises(ValueError, match=f"decay: expected a number .*, found {decay}"):
        EMA(decay)
