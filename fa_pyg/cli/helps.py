"""Short help of trainings, whose parser loads torch; tests hold it against that parser."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["HELPS", "asks", "with_full_help"]

FULL = ("--help-all", "--help=all")

RUN = """\
  --config NAME|FILE        of `fa-pyg configs list {task}`, or your file; later options win over it
  --name NAME               folder of the run in --trainer.default_root_dir
  --seed_everything N       of weights, order and random frames (0)
  --ckpt_path last|FILE     resume an interrupted run
  --checkpoint_every N      epochs between checkpoints to resume from (1)
  --trust NAME              a class or module of yours that the configuration may name
  --print_config            every setting and its value, as YAML
"""
TRAINER = """\
  --model.model CLASS       any module: --model.model torch_geometric.nn.GIN, or in the file
  --model.lr X              learning rate (0.001)
  --trainer.max_epochs N    of training
  --trainer.accelerator A   cpu, gpu, auto
  --trainer.max_time D      days:hours:minutes:seconds
  --trainer.default_root_dir FOLDER   of all runs (runs/{task})
  --trainer.enable_progress_bar false
"""
FOOT = "\n--help-all shows every option, in a few seconds. The run goes to FOLDER/NAME/version_K.\n"
TRAIN = {
    "nbody": (
        "Train and test a model on the n-body benchmark; its data are generated when they are not there.",
        "  --data.root FOLDER        of the data (data/nbody)\n"
        "  --data.num_samples N      size of each split, for short trials\n"
        "  --data.batch_size N       (100)\n",
        "fa-pyg train nbody --config fa_kinematic",
    ),
    "graphs": (
        "Train and test a classifier of graphs; the configurations are those of EXP-classify.",
        "  --data.dataset CLASS      fa_pyg.datasets.EXPLike is generated, fa_pyg.datasets.EXP downloaded\n"
        "  --data.dataset.root FOLDER\n"
        "  --data.batch_size N       (100)\n",
        "fa-pyg train graphs --config gin --data.dataset EXPLike --data.dataset.root data/EXPLike",
    ),
    "molecules": (
        "Train and test a model on molecules: energies, forces, dipoles, or any other data.",
        "  --data.dataset CLASS      with its arguments: --data.dataset.root_or_files FOLDER for XYZ files\n"
        "  --data.val N  --data.test N  --data.num_train N   sizes of the splits\n"
        "  --data.batch_size N       (32)\n"
        '  --model.weights JSON      of the loss: \'{"energy": 1, "forces": 10}\'\n',
        "fa-pyg train molecules --config xyz_folder --data.dataset.root_or_files my_folder",
    ),
    "normals": (
        "Train and test a model that estimates normals of point clouds.",
        "  --data.root FOLDER        of the data (data/cad)\n"
        "  --data.source S           cad, meshes (any folder of them), abc or pcpnet\n"
        "  --data.shipped true       the few CAD parts that come with fa_pyg\n"
        "  --data.num_points N       of a cloud (512)\n"
        "  --data.train_rotation R   I, z, SO(3) or O(3)\n"
        "  --data.batch_size N       (32)\n",
        'fa-pyg train normals --config fa_dgcnn --data.shipped true --data.train_rotation "SO(3)"',
    ),
    "shapes": (
        "Train and test a model that classifies point clouds: the family of a CAD part.",
        "  --data.root FOLDER        of the data (data/cad)\n"
        "  --data.shipped true       the few CAD parts that come with fa_pyg\n"
        "  --data.num_points N       of a cloud (512)\n"
        "  --data.train_rotation R   I, z, SO(3) or O(3)\n"
        "  --data.batch_size N       (32)\n"
        "  --model.model.init_args.num_classes N   as many as the data have\n",
        "fa-pyg train shapes --config dgcnn --data.shipped true --model.model.init_args.num_classes 23",
    ),
}


def _train_help(task: str) -> str:
    """Return the help of a training."""
    what, data, example = TRAIN[task]
    usage = f"usage: fa-pyg train {task} --config NAME|FILE [options]\n\n{what}\n\n"
    return usage + (RUN + "{data}" + TRAINER).format(task=task, data=data) + f"\nexample: {example}\n" + FOOT


HELPS = {f"train {task}": _train_help(task) for task in TRAIN}


def asks(args: Sequence[str]) -> bool:
    """Whether the short help is asked for."""
    return any(one in ("-h", "--help") for one in args)


def with_full_help(args: Sequence[str]) -> list[str]:
    """Replace ``--help-all`` by what the parser of the command calls its help."""
    return ["--help" if one in FULL else one for one in args]
