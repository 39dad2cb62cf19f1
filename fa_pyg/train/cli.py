"""Base of the command lines of trainings: builds trainer, model and data from arguments and YAML files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.plain import parse as plain
from fa_pyg.train.checkpoints import AtomicCheckpointIO, checkpoints
from fa_pyg.train.command_line import TRUST, check_configs, explain, trusted_names, with_new_text
from fa_pyg.train.divergence import StopDiverged
from fa_pyg.train.fit import FitModule
from fa_pyg.train.guard import guarded
from fa_pyg.train.logs import all_loggers, check_logger
from fa_pyg.train.options import check_options
from fa_pyg.train.plots import plot_losses
from fa_pyg.train.progress import FitProgressBar
from fa_pyg.train.quiet import quiet
from fa_pyg.train.resume import check_files, check_settings, resumed_step, run_folder
from fa_pyg.train.seeds import EpochSeed

__all__ = ["FitCLI"]

DEFAULTS = {
    "devices": 1,
    "max_epochs": 1000,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
}


class _SaveConfigAtStart(SaveConfigCallback):
    """Write the configuration when training begins: a run that cannot be resumed keeps its configuration."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        pass

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().setup(trainer, pl_module, "fit")
        settings = plain(self.parser.dump(self.config, skip_unset=False), "settings")
        for logger in trainer.loggers:
            if not isinstance(logger, CSVLogger | TensorBoardLogger):  # beside config.yaml
                logger.log_hyperparams({name: settings[name] for name in ("model", "data", "trainer")})


class _FitParser(LightningArgumentParser):
    """Parser that reads old names of arguments, and whose errors about names mention ``--trust``."""

    def parse_string(self, content: str, *args: Any, **kwargs: Any) -> Namespace:
        return super().parse_string(with_new_text(content), *args, **kwargs)

    def error(self, message: str, *args: Any) -> None:
        known = [name for action in self._actions for name in action.option_strings]
        super().error(explain(message, known), *args)


class FitCLI(LightningCLI):
    """Build model, data and trainer of one run from typed arguments and YAML files.

    A subclass sets the module, the data module, the default name of the run and the defaults of the trainer.

    A run lives in ``<trainer.default_root_dir>/<name>/version_<k>``. A new run gets a new version;
    ``--ckpt_path last`` resumes the newest with a checkpoint, ``--ckpt_path FILE`` that of FILE. A resumed
    run is the same experiment: another model, seed, optimizer, data set or callback is an error; how long and
    where it trains may change.

    An interrupted run is resumed bit by bit as if it had not been interrupted; on an accelerator this takes
    ``--trainer.deterministic true``.

    A configuration file may name the classes of an allowlist; ``--trust NAME``, which a file cannot hold,
    adds a class, or a module with its classes, and may be repeated (docs/guides/security.md).

    Args:
        args: the command line; default that of the process.
        prog: the command, for usage and errors; default the name of the script, and all options.

    Raises:
        ValueError: naming the file, for a configuration that names what is not trusted.
    """

    module: ClassVar[type[FitModule]]
    data: ClassVar[type[LightningDataModule]]
    run: ClassVar[str]
    defaults: ClassVar[dict[str, Any]]
    precisions: ClassVar[tuple[str, ...]] = ("32-true", "16-mixed", "bf16-mixed")

    def __init__(self, args: Sequence[str] | None = None, prog: str | None = None) -> None:
        quiet()
        trust, args = trusted_names(sys.argv[1:] if args is None else args)
        self.allowed = allowed = Allowlist(trust, training=True)
        check_configs(args, {"trainer": Trainer, "model": self.module, "data": self.data}, allowed)
        named = {"prog": prog, "usage": f"{prog} --config NAME|FILE [options]"} if prog else {}
        with guarded(allowed):
            super().__init__(
                self.module,
                self.data,
                save_config_callback=_SaveConfigAtStart,
                save_config_kwargs={"overwrite": True},
                trainer_defaults={**DEFAULTS, **self.defaults},
                parser_class=_FitParser,
                parser_kwargs={"allow_abbrev": False, "epilog": TRUST, **named},
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
            "--ckpt_path", type=str | None, default=None, help="checkpoint to resume from, or 'last'"
        )
        parser.add_argument(
            "--checkpoint_every",
            type=PositiveInt,
            default=1,
            help="epochs between checkpoints to resume from",
        )
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def parse_arguments(self, parser, args) -> None:
        super().parse_arguments(parser, args)
        try:
            check_options(self.config, self.precisions)
            check_logger(self.config.trainer.logger)
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
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"--trainer: expected settings that fit this machine, found others ({reason})"
            ) from error

    def _trainer(self, **kwargs: Any) -> Trainer:
        config: Any = self.config_init
        given = config.trainer
        callbacks = [
            *(given.callbacks or []),
            EpochSeed(self.config.seed_everything),
            StopDiverged(self.folder),
            *checkpoints(self.folder, f"val/{self.module.monitor}", self.config.checkpoint_every),
        ]
        if given.enable_progress_bar is not False:
            callbacks.append(FitProgressBar())
        if given.max_time is not None:  # at the end of an epoch, from where a run can be resumed exactly
            callbacks.append(Timer(given.max_time, interval="epoch"))
        plugins = [*(given.plugins or []), AtomicCheckpointIO()]
        kwargs |= {"callbacks": callbacks, "plugins": plugins, "max_time": None}
        kwargs["logger"] = all_loggers(given.logger, self.folder, self.resumed_step)
        return super().instantiate_trainer(**kwargs)

    def draw(self) -> None:
        """Draw the curves of the run, ``loss.png``."""
        monitor = self.module.monitor
        label = "mean squared error" if monitor == "mse" else monitor
        plot_losses({self.config.name: self.folder}, self.folder / "loss.png", metric=monitor, label=label)
