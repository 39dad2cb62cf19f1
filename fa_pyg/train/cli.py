"""From a configuration file to a tested model: the one place that builds trainer, model and data."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.seed import isolate_rng

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.settings import with_new_names
from fa_pyg.config.trust import guarded
from fa_pyg.files import write_atomically
from fa_pyg.train.arguments import TRUST, check_configs, explained, trusted
from fa_pyg.train.checkpoints import AtomicCheckpointIO, checkpoints
from fa_pyg.train.data import NBodyData
from fa_pyg.train.fit import FitModule
from fa_pyg.train.logs import loggers
from fa_pyg.train.options import check_options, check_run
from fa_pyg.train.plots import plot_losses
from fa_pyg.train.progress import FitProgressBar
from fa_pyg.train.quiet import quiet
from fa_pyg.train.resume import check_files, check_settings, resumed_step, run_folder
from fa_pyg.train.seeds import EpochSeed
from fa_pyg.train.tasks.graphs import GraphData, GraphModule
from fa_pyg.train.tasks.nbody import NBodyModule

DEFAULTS = {
    "devices": 1,
    "max_epochs": 1000,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
}


class SaveConfigAtStart(SaveConfigCallback):
    """Keep the configuration once training begins: a run that cannot go on keeps the one it has."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        pass

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().setup(trainer, pl_module, "fit")


class FitParser(LightningArgumentParser):
    """A parser whose errors about names say ``--trust``, and whose files may have old names of arguments."""

    def parse_string(self, content: str, *args: Any, **kwargs: Any) -> Namespace:
        return super().parse_string(with_new_names(content), *args, **kwargs)

    def error(self, message: str, *args: Any) -> None:
        super().error(explained(message), *args)


class FitCLI(LightningCLI):
    """Model, data and trainer of one run from typed arguments and YAML files.

    A subclass says which module and data module, what the run is called unless said otherwise, and the
    trainer's defaults.

    A run lives in ``<trainer.default_root_dir>/<name>/version_<k>``. A new run gets a new version;
    ``--ckpt_path last`` goes on with the newest with a checkpoint, ``--ckpt_path FILE`` with that of FILE.
    It goes on as the experiment that it is: another model, seed, optimiser, data set or callback is an error;
    how long and where it trains may change.

    An interrupted run goes on bit by bit as if it had not been; on an accelerator that takes
    ``--trainer.deterministic true``.

    A configuration file may name the classes of an allowlist; ``--trust NAME``, which a file cannot hold,
    adds a class or a module with its classes, as often as needed (docs/security.md).

    Raises:
        ValueError: naming the file, for a configuration that names what is not trusted.
    """

    module: ClassVar[type[FitModule]]
    data: ClassVar[type[LightningDataModule]]
    run: ClassVar[str]
    defaults: ClassVar[dict[str, Any]]
    precisions: ClassVar[tuple[str, ...]] = ("32-true", "16-mixed", "bf16-mixed")

    def __init__(self, args: Sequence[str] | None = None) -> None:
        quiet()
        trust, args = trusted(sys.argv[1:] if args is None else args)
        self.allowed = allowed = Allowlist(trust)
        check_configs(args, {"trainer": Trainer, "model": self.module, "data": self.data}, allowed)
        with guarded(allowed):
            super().__init__(
                self.module,
                self.data,
                save_config_callback=SaveConfigAtStart,
                save_config_kwargs={"overwrite": True},
                trainer_defaults={**DEFAULTS, **self.defaults},
                parser_class=FitParser,
                parser_kwargs={"allow_abbrev": False, "epilog": TRUST},
                seed_everything_default=0,
                args=args,
                run=False,
                auto_configure_optimizers=False,
                load_from_checkpoint_support=False,
            )

    def add_arguments_to_parser(self, parser) -> None:
        parser.add_argument(
            "--name", type=str, default=self.run, help="folder of the run below default_root_dir"
        )
        parser.add_argument(
            "--ckpt_path", type=str | None, default=None, help="checkpoint to go on from, or 'last'"
        )
        parser.add_argument(
            "--checkpoint_every", type=PositiveInt, default=1, help="epochs between those to go on from"
        )
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def parse_arguments(self, parser, args) -> None:
        super().parse_arguments(parser, args)
        try:
            check_options(self.config, self.precisions)
        except ValueError as error:
            parser.exit(2, f"error: {error}\n")

    def before_instantiate_classes(self) -> None:
        config = self.config
        parent = Path(config.trainer.default_root_dir) / config.name
        try:
            self.folder, self.resume = run_folder(parent, config.ckpt_path)
            self.resumed_step = resumed_step(self.resume)
            if self.resume:
                check_files(self.folder)
                now = self.parser.dump(config, skip_none=False)
                sections = {"model": self.module, "data": self.data}
                check_settings(self.folder, now, sections, self.allowed.find)
        except ValueError as error:
            self.parser.exit(2, f"error: {error}\n")

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except (RuntimeError, TypeError, KeyError, ImportError, OverflowError, MemoryError) as error:
            found = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise ValueError(f"--model, --data: expected what can be built, found {found}") from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        try:
            return self._trainer(**kwargs)
        except (MisconfigurationException, ImportError, TypeError, ValueError) as error:
            said = str(error).partition("\n")[0]
            raise ValueError(
                f"--trainer: expected settings that fit this machine, found others ({said})"
            ) from error

    def _trainer(self, **kwargs: Any) -> Trainer:
        given = self.config_init.trainer
        callbacks = [
            *(given.callbacks or []),
            EpochSeed(self.config.seed_everything),
            *checkpoints(self.folder, f"val/{self.module.monitor}", self.config.checkpoint_every),
        ]
        if given.enable_progress_bar is not False:
            callbacks.append(FitProgressBar())
        if given.max_time is not None:  # at the end of an epoch, from where a run can be resumed exactly
            callbacks.append(Timer(given.max_time, interval="epoch"))
        plugins = [*(given.plugins or []), AtomicCheckpointIO()]
        own = {"callbacks": callbacks, "plugins": plugins, "max_time": None}
        if given.logger is None:
            own["logger"] = loggers(self.folder, self.resumed_step)
        return super().instantiate_trainer(**own, **kwargs)

    def draw(self) -> None:
        """Draw the curves of the run, ``loss.png``."""
        monitor = self.module.monitor
        label = "mean squared error" if monitor == "mse" else monitor
        plot_losses({self.config.name: self.folder}, self.folder / "loss.png", metric=monitor, label=label)


class NBodyCLI(FitCLI):
    """A run of the n-body benchmark."""

    module, data, run = NBodyModule, NBodyData, "nbody"
    defaults: ClassVar = {"default_root_dir": "runs/nbody", "gradient_clip_val": 1.0}


class GraphCLI(FitCLI):
    """A run that classifies graphs."""

    module, data, run = GraphModule, GraphData, "graphs"
    defaults: ClassVar = {"default_root_dir": "runs/graphs"}


def main(args: Sequence[str] | None = None, make: type[FitCLI] = NBodyCLI) -> dict[str, Any]:
    """Train, test the weights of the best validation error, and keep the results beside the checkpoints.

    Args:
        args: command line; that of the process where None, which then ends where settings or data are wrong.
        make: what is trained.

    Raises ValueError for settings and data that are wrong.

    Returns what ``results.json`` holds: test figures and validation error, best epoch, epochs trained, the
    folder.
    """
    try:
        return _run(make(args))
    except (ValueError, OSError) as error:
        if args is not None:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _run(cli: FitCLI) -> dict[str, Any]:
    check_run(cli.config)
    if cli.resume:
        print(f"going on from {cli.resume}")
    try:
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=cli.resume, weights_only=True)
    except SystemExit:  # what Lightning makes of Ctrl-C
        last = cli.folder / "last.ckpt"
        how = f"; the same command with --ckpt_path last goes on from {last}"
        print("interrupted" + (how if last.exists() else " before the end of an epoch; nothing is kept"))
        raise
    return report(cli)


def report(cli: FitCLI) -> dict[str, Any]:
    """Test the best checkpoint; print and write what came out."""
    trainer, epochs, monitor = cli.trainer, cli.trainer.current_epoch, cli.model.monitor
    best, val = trainer.checkpoint_callback.best_model_path, trainer.checkpoint_callback.best_model_score
    if best and Path(best).resolve().parent != cli.folder.resolve():  # what a resumed checkpoint says
        raise ValueError(
            f"--ckpt_path: expected a best checkpoint in {cli.folder}, found {best!r} in its state"
        )
    if not best:  # ended before its first validation
        late = epochs % cli.config.checkpoint_every > 0  # the last checkpoint is older, if there is one
        best = str(cli.folder / ("final.ckpt" if late else "last.ckpt"))
        if late:  # under another name: no run goes on exactly from after its end
            trainer.save_checkpoint(best)
        val = trainer.validate(cli.model, cli.datamodule, ckpt_path=best, weights_only=True, verbose=False)[
            0
        ][f"val/{monitor}"]
    tested = trainer.test(cli.model, cli.datamodule, ckpt_path=best, weights_only=True, verbose=False)[0]
    kept = torch.load(best, map_location="cpu", weights_only=True)
    results = {
        "name": cli.config.name,
        **{f"test_{name}": tested[f"test/{name}"] for name in cli.model.names},
        f"val_{monitor}": float(val),
        "best_epoch": min(kept["epoch"] + 1, epochs),
        "epochs": epochs,
        "seed": cli.config.seed_everything,
        "parameters": sum(p.numel() for p in cli.model.parameters()),
        "folder": str(cli.folder),
    }
    if trainer.is_global_zero:
        write_atomically(cli.folder / "results.json", json.dumps(results, indent=2) + "\n")
        cli.draw()
        figures = ", ".join(f"test {said(name)} {results[f'test_{name}']:.5f}" for name in cli.model.names)
        print("{name}: {0} at epoch {best_epoch} of {epochs} ".format(figures, **results), end="")
        print(f"(validation {float(val):.5f}); results, curves and checkpoints in {cli.folder}")
    return results


def said(name: str) -> str:
    return name.upper() if name == "mse" else name


def load_best(
    folder: str | Path, make: type[FitCLI] = NBodyCLI, trust: str | Iterable[str] = ()
) -> FitModule:
    """Load the module of a run with the weights of its best validation error, in evaluation mode, on the CPU.

    Its data are built as for training. A file of somebody else may name the classes of an allowlist and of
    ``trust``, as for :func:`~fa_pyg.potential.load.load_potential`, and no others.

    Raises:
        ValueError: naming the file, for a configuration that names what is not trusted.
    """
    here = ["--ckpt_path=null", "--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.strategy=auto"]
    here += [f"--trust={name}" for name in ([trust] if isinstance(trust, str) else trust)]
    with isolate_rng():
        cli = make(["--config", str(Path(folder) / "config.yaml"), *here])
    cli.model.load_state_dict(torch.load(Path(folder) / "best.ckpt", "cpu", weights_only=True)["state_dict"])
    return cli.model.eval()
