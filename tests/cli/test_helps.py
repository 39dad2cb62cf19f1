"""The short help says what is true: every option that it names exists, and no option is forgotten."""

import re

import pytest

from fa_pyg.cli.helps import HELPS, TRAIN, asks, with_full_help
from fa_pyg.cli.reproduce import normals, separation
from fa_pyg.cli.train import CLIS, NO_NEXT
from fa_pyg.options import check
from fa_pyg.options.predict import FRAMES

OPTION = re.compile(r"(?<![\w-])--[a-z][\w.-]*")


def options(text):
    """Returns the options that a text names."""
    return set(OPTION.findall(text))


def full_help(run, capsys):
    """Returns the help of the parser of a command."""
    with pytest.raises(SystemExit) as ended:
        run(["--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("task", TRAIN)
def test_options_of_trainings_exist(task, capsys):
    import fa_pyg.train as train

    make = getattr(train, CLIS[task])
    text = full_help(lambda args: make(args, prog=f"fa-pyg train {task}"), capsys)
    assert text.startswith(f"usage: fa-pyg train {task} --config NAME|FILE [options]\n")
    found = options(HELPS[f"train {task}"]) - {"--help-all"}
    # Arguments of a class that is named are options only once it is.
    found = {one for one in found if ".init_args." not in one and not one.startswith("--data.dataset.")}
    assert len(found) > 12
    assert found - options(text) - {"--trust"} == set()
    assert options(text) - found > {"--trainer.strategy"}  # the short one is shorter


@pytest.mark.parametrize("task", TRAIN)
def test_defaults_of_trainings(task):
    import inspect

    import fa_pyg.train as train

    make, text = getattr(train, CLIS[task]), HELPS[f"train {task}"]
    size = inspect.signature(make.data).parameters["batch_size"].default
    assert re.search(rf"--data.batch_size N +\({size}\)", text)
    assert f"of all runs ({make.defaults['default_root_dir']})" in text
    root = inspect.signature(make.data).parameters.get("root")
    assert root is None or f"({root.default})" in text


def test_literal_choices_are_those_of_the_library():
    from fa_pyg.builders.weighted.smoothness import SMOOTHNESS
    from fa_pyg.testing.reports import SECTIONS
    from fa_pyg.train.normals.benchmark import CLIS as TASKS
    from fa_pyg.train.separation.rows import PARTS
    from fa_pyg.train.tasks.clouds import REGIMES
    from fa_pyg.train.tasks.clouds_sources import SOURCES

    assert set(normals.TASKS) == set(TASKS)
    assert tuple(REGIMES) == normals.REGIMES
    assert set(normals.SOURCES) == set(SOURCES)
    assert tuple(PARTS) == separation.PARTS
    assert tuple(SMOOTHNESS) == FRAMES
    assert tuple(SECTIONS) == check.SECTIONS


def test_which_help():
    assert asks(["--config", "a", "-h"])
    assert not asks(["--help-all"])
    assert with_full_help(["--help-all", "--help=all", NO_NEXT]) == ["--help", "--help", NO_NEXT]
