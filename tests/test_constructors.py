"""Every public constructor and function refuses wrong types and absurd values, naming the argument.

``ENTRIES`` says of each public name what it is called with and what kind each of its arguments is; ``BAD``
what each kind does not take. All of it ends in a ValueError of the form ``name: expected E, found F``.
"""

import importlib
import inspect
import math
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

import fa_pyg
import fa_pyg.dynamics
from fa_pyg import PCAFrame
from fa_pyg.testing import Line, NamedCloud
from fa_pyg.testing.contract.base import ContractBase

ROOMS = (
    "",
    "nn",
    "builders",
    "models",
    "transforms",
    "datasets",
    "groups",
    "testing",
    "dynamics",
    "ase",
    "plot",
)
FREE = "free"  # passed on, or only written in a picture or message

POS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
EDGES = torch.tensor([[0, 1, 2, 3, 4, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 0, 1, 2, 3, 4]])
ZEROS = torch.zeros(5, dtype=torch.long)
GRAPH = Data(x=torch.ones(5, 1), edge_index=EDGES, pos=POS, z=ZEROS + 6)
LONG = "E(" + "9" * 5000 + ")"

NUMBERS = (math.nan, math.inf, -math.inf, "3", "", True, [1], (2,), 1j, b"3", torch.tensor(3))
BAD: dict[str, tuple] = {
    "positive": (0, -1, 1.5, None, *NUMBERS),
    "size": (0, -1, 1.5, None, 10**12, 2**63, *NUMBERS),
    "count": (-1, 1.5, None, 10**12, *NUMBERS),
    "whole": (-1, 1.5, None, *NUMBERS),
    "length": (0, -1, 0.0, None, 10**400, *NUMBERS),
    "amount": (-1, -1e-9, None, 10**400, *NUMBERS),
    "share": (0, 1, 1.0, -0.1, 1.1, None, *NUMBERS),
    "number": (None, 10**400, *NUMBERS),
    "flag": (0, 1, 1.0, "no", "True", None, [True]),
    "frame": (None, 3, "E(3)", nn.Linear(1, 1), PCAFrame, [PCAFrame("E(3)")]),
    "group": (None, 3, 1.5, True, "", "E(0)", "E(-1)", "E(1000000)", "e(3)", "X(3)", "E(3", "E(1.5)", "C0",
              "C1000000000", "T(9):Oh", ["E(3)"], LONG, nn.Linear),
    "output": (3, "", "vektor", 1.5, {"a": "vektor"}, [3]),
    "rep": (None, 3, "", "vektor", ["vector"], 1.5),
    "generator": (0, "cpu", random.Random(), np.random.default_rng(0), True),
    "module": (None, 3, "model", nn.Linear, len, []),
    "function": (None, 3, "relu", [], 1.5),
    "name": (None, 3, "", "no such name", True, ["sum"], 1.5, nn.Linear),
    "level": (3, "", True, ["sum"], 1.5, nn.Linear),  # any other name may be an argument's
    "inputs": (3, "pos", ["pos"], {}, {"pos": "points"}, {"pos": 3}, {"pos": None}, True),
    "reads": (3, "pos", [], ["vel"], True, 1.5),
    "levels": (3, "node", ["node"], {"pos": "nodes"}, {"pos": 3}, True),
    "weight": (3, 1.5, True, ["z"], ZEROS),
    "tensor": (None, 3, 1.5, "x", [1.0], np.ones(3), True),
    "real": (None, 3, 1.5, "x", [1.0], np.ones(3), True, POS.to(torch.complex64), POS > 0),
    "list": (3, "ab", True, 1.5, None),
    "path": (3, 1.5, True, [3]),
    "integer": (1.5, None, *NUMBERS),
    "dtype": (None, 3, "float32", torch.int64, torch.complex64, float),
    "other": (None, 3, "S(n)", nn.Linear),
    "dataset": (None, 3, 1.5, True),
    "sampler": (3, 1.5, True, "ab"),
    "radius": (-1, -1e-9, None, 10**400, math.nan, -math.inf, "3", True, [1], 1j),  # inf joins all
    "backend": (3, "no such one", True),
    "text": (3, 1.5, True, b"x", None),
}  # fmt: skip


class Entry:
    """What a public name is called with, and the kind of each argument; a kind with ? may be None."""

    def __init__(self, good: dict | Callable[[Path], dict], kinds: str = "", runs: bool = True) -> None:
        self.good, self.runs, self.kinds = good, runs, dict(one.split(":") for one in kinds.split())

    def arguments(self, folder: Path) -> dict[str, Any]:
        return dict(self.good(folder) if callable(self.good) else self.good)


def public() -> dict[str, Any]:
    """Every public callable, under its shortest name."""
    found: dict[str, Any] = {}
    for room in ROOMS:
        module = importlib.import_module(f"fa_pyg.{room}".rstrip("."))
        for name in module.__all__:
            thing = getattr(module, name)
            if (
                callable(thing)
                and not inspect.isabstract(thing)
                and not any(thing is one for one in found.values())
                and hasattr(thing, "__module__")
            ):
                found[f"{room}.{name}".lstrip(".")] = thing
    found.pop("groups.GroupLike", None)
    return found


def values_of(kind: str) -> tuple:
    optional = kind.endswith("?")
    return tuple(v for v in BAD[kind.rstrip("?")] if not (optional and v is None))


E3 = {"group": "E(3)"}
GRAPHS = {"in_channels": 1, "hidden_channels": 8, "num_layers": 2, "out_channels": 1}
OF_GRAPHS = " in_channels:count hidden_channels:size num_layers:size out_channels:size"
STACK = " act:function readout:name head:size?"
LAYER = " frame:frame scalars:count vectors:size out_scalars:count? out_vectors:count? chunk:positive?"
POINTS = " width:length pool:name"
DECLARED = " inputs:inputs? reads:reads? node_weight:weight? levels:levels?"


CLOUD = NamedCloud("a", torch.arange(5), POS.double(), 1, 1)
FRAMES = PCAFrame("E(3)")(POS)
LINE = Line("a", CLOUD.pos, CLOUD.pos.flip(0), None)
CURVE = {"f": lambda z, pos, batch: pos.square().sum(1).view(-1, 5), "line": LINE}
SPLIT = "root_or_files:free split:name? splits:free seed:integer transform:free"


class Sums(nn.Module):
    """A scalar of each graph, and its forces; what the checks of models are called with."""

    def forward(self, x, edge_index=None, batch=None):
        return x.square().sum().view(1, 1)


class Energies(nn.Module):
    def forward(self, z, pos, batch=None, num_graphs=1):
        energy = (pos - pos.mean(0)).square().sum().view(1)
        return {"energy": energy, "forces": -2 * (pos - pos.mean(0))}


SCALAR = {"model": Sums(), "inputs": {"x": CLOUD.pos}, "group": "O(3)", "input_reps": {"x": "vector"}}
ENERGY = {
    "model": Energies(),
    "inputs": {"z": ZEROS, "pos": CLOUD.pos},
    "energy": "energy",
    "forces": "forces",
}
SHARING = {
    "model": fa_pyg.FrameAveraging(fa_pyg.models.FAENet(4, 1), PCAFrame("SE(3)")).eval(),
    "inputs": {"z": ZEROS + 6, "pos": POS},
}
FRAMED = {
    "model": fa_pyg.FrameAveraging(Sums(), fa_pyg.GroupFrame("C1(3)"), {"x": "vector"}),
    "inputs": {"x": CLOUD.pos},
    "pos": "x",
    "nodes": 1,
}
RUN = {"time": np.arange(3.0), "potential": np.zeros(3), "kinetic": np.zeros(3), "pos": np.zeros((3, 1, 3)),
       "forces": np.zeros((3, 1, 3))}  # fmt: skip
ALONG = {"model": Energies(), "z": np.ones(5, int), "pos": np.random.default_rng(0).normal(size=(2, 5, 3))}


def root(folder: Path) -> dict:
    """A folder that cannot be made: what is not refused must not be downloaded or computed here."""
    (folder / "file").write_text("")
    return {"root": folder / "file"}


def water(folder: Path) -> dict:
    path = folder / "water.xyz"
    path.write_text("3\n\nO 0 0 0\nH 0 0 1\nH 0 1 0\n")
    return {"path": path}


def meshes(folder: Path) -> dict:
    (folder / "part.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    return {"root": folder, "split": None, "num_points": 2, "pool": 2}


def waters(folder: Path) -> dict:
    return {"root_or_files": water(folder)["path"], "split": "train", "splits": (1, 0, 0)}


ENTRIES: dict[str, Entry] = {
    # ---- frames
    "PCAFrame": Entry(E3, "group:group detach:flag on_degenerate:name"),
    "WeightedPCAFrame": Entry(
        E3,
        "group:group tau:length? gap:share? node_weight:function? smoothness:name? flat:share? "
        "line:share? projection:name detach:flag max_frames:positive?",
    ),
    "CosetFrame": Entry({"frame": PCAFrame("O(3)"), "subgroup": "Oh"}, "frame:frame subgroup:group"),
    "GeneralisedQRFrame": Entry(E3, "group:group"),
    "PolarFrame": Entry(E3, "group:group"),
    "HaarFrame": Entry(E3, "group:group k:positive generator:generator?"),
    "ScaleFrame": Entry({"frame": PCAFrame("E(3)")}, "frame:frame detach:flag"),
    "GalileanFrame": Entry({"frame": PCAFrame("E(3)")}, "frame:frame detach:flag"),
    "RandomScaleFrame": Entry({"frame": PCAFrame("E(3)")}, "frame:frame sigma:amount generator:generator?"),
    "RandomBoostFrame": Entry({"frame": PCAFrame("E(3)")}, "frame:frame sigma:amount generator:generator?"),
    "GroupFrame": Entry({"group": "Oh"}, "group:group translations:flag"),
    "LearnedFrame": Entry(
        {**E3, "noise": 1},
        "group:group net:module? noise:count k:positive eval_k:positive? generator:generator? eps:share",
    ),
    "LocalFrame": Entry({"frame": PCAFrame("O(3)")}, "frame:frame"),
    "LocalPCAFrame": Entry(E3, "group:group detach:flag"),
    "PerMode": Entry({"train": PCAFrame("O(3)"), "eval": PCAFrame("O(3)")}, "train:frame eval:frame"),
    "Sample": Entry(
        {"frame": PCAFrame("O(3)")},
        "frame:frame k:positive eval_k:positive? generator:generator?",
    ),
    "SpectralFrame": Entry({}, "group:group tol:share max_frames:positive generator:generator?"),
    "RandomNodeFrame": Entry({}, "group:group k:positive generator:generator?"),
    "CanonicalFrame": Entry({}, "group:group first:frame? backend:backend?"),
    "Group": Entry({"kind": "E", "dim": 3}, "kind:name dim:size scales:flag boosts:flag"),
    "groups.FiniteGroup": Entry(
        {"kind": "C4", "dim": 2}, "kind:name dim:size translates:flag scales:flag boosts:flag"
    ),
    "Rep": Entry({"rank": 1}, "rank:count pseudo:flag affine:flag flat:flag scale:number boost:number"),
    "Frames": Entry(
        {"rotation": torch.eye(3).expand(2, 3, 3)},
        "rotation:real body:tensor? weight:tensor? origin:tensor? batch:tensor? num_bodies:whole?",
    ),
    "PermutationFrames": Entry(
        {"order": torch.arange(3), "sizes": torch.tensor([3])},
        "order:tensor sizes:tensor body:tensor? weight:tensor? batch:tensor? "
        "edge_index:tensor? edge_color:tensor? orbit:tensor? edge_orbit:tensor?",
    ),
    "builders.Cloud": Entry(
        {"declared": (), "read": (), "batch": None, "size": 0},
        "declared:free read:free batch:free size:free weight:free types:free",
    ),
    "builders.Quantity": Entry(
        {"value": POS, "rep": fa_pyg.Rep(1)},
        "value:free rep:free rows:free",
    ),
    "builders.Graphs": Entry(
        {"edge_index": EDGES, "batch": ZEROS, "size": 1},
        "edge_index:free batch:free size:free node_features:free edge_features:free marks:free",
    ),
    "builders.VectorNet": Entry({"out": 3}, "out:size hidden_channels:size inner:size rounds:size"),
    "builders.identity_prior": Entry({"frames": PCAFrame("E(3)")(POS)}, "frames:frame"),
    # ---- layers
    "nn.FramedVectors": Entry({"model": nn.Linear(3, 6)}, "model:module frame:frame?"),
    "FrameAveraging": Entry(
        {"model": nn.Linear(3, 1), "frame": PCAFrame("E(3)")},
        "model:module frame:frame output:output? level:level? chunk:positive? round_inputs:flag"
        " invariants:flag" + DECLARED,
    ),
    "nn.FAMLP": Entry(
        {"frame": PCAFrame("O(3)"), "scalars": 1, "vectors": 1},
        "hidden_channels:size num_layers:size act:function" + LAYER,
    ),
    "nn.FAConv": Entry(
        {"conv": nn.Linear(4, 4), "frame": PCAFrame("O(3)"), "scalars": 1, "vectors": 1},
        "conv:module inputs:inputs?" + LAYER,
    ),
    "nn.GridAveraging": Entry(
        {"model": nn.Conv2d(1, 1, 3)},
        "model:module group:group input:rep output:rep shifts:positive? chunk:positive?",
    ),
    "nn.GridMotion": Entry({"matrix": ((0, -1), (1, 0))}, "matrix:list shift:list"),
    "nn.LocalFrameConv": Entry(
        {"inputs": {"scalar": 2}, "outputs": {"scalar": 2}},
        "inputs:inputs outputs:inputs dim:size edge_dim:count hidden_channels:size "
        "message:module? update:module? act:function aggr:name chunk:positive?",
    ),
    "nn.TypedModel": Entry(
        {"model": nn.Linear(3, 1), "node_types": ["a"]},
        "model:module node_types:free edge_types:free inputs:free edge_inputs:free",
    ),
    "nn.RadiusInteractionGraph": Entry({}, "cutoff:length max_num_neighbors:whole?"),
    "nn.knn": Entry(
        {"x": POS, "y": POS, "k": 2},
        "x:tensor y:tensor k:whole batch_x:tensor? batch_y:tensor? cosine:free "
        "num_workers:free batch_size:whole?",
    ),
    "nn.knn_graph": Entry(
        {"x": POS, "k": 2},
        "x:tensor k:whole batch:tensor? loop:free flow:name cosine:free num_workers:free batch_size:whole?",
    ),
    "nn.radius": Entry(
        {"x": POS, "y": POS, "r": 2.0},
        "x:tensor y:tensor r:radius batch_x:tensor? batch_y:tensor? "
        "max_num_neighbors:whole? num_workers:free batch_size:whole?",
    ),
    "nn.radius_graph": Entry(
        {"x": POS, "r": 2.0},
        "x:tensor r:radius batch:tensor? loop:free max_num_neighbors:whole? "
        "flow:name num_workers:free batch_size:whole?",
    ),
    "nn.fps": Entry(
        {"x": POS},
        "x:tensor batch:tensor? ratio:free random_start:flag batch_size:whole? num_samples:positive?",
    ),
    "nn.provide_pyg_operators": Entry({}, "", runs=False),
    "nn.smooth_cutoff": Entry({"edge_vec": POS, "cutoff": 2.0}, "edge_vec:real cutoff:length"),
    # ---- models
    "models.FAENet": Entry(
        {},
        "hidden_channels:size num_layers:count cutoff:length num_radial:size "
        "num_neighbors:length heads:inputs? max_z:size",
    ),
    "models.NequIP": Entry(
        {},
        "hidden_channels:size num_layers:size lmax:count lmax_edge:count cutoff:length "
        "num_radial:size radial:size elements:size num_neighbors:length "
        "max_z:size",
    ),
    "models.Potential": Entry(
        {"model": fa_pyg.models.FAENet(8, 1), "frame": PCAFrame("E(3)")},
        "model:module frame:frame? heads:inputs? gradient:flag cutoff:length? cell_frame:module? "
        "signed_cell:flag?",
    ),
    "models.CellFrame": Entry({}, "frame:frame?"),
    "models.CellVectors": Entry({}, "frame:frame? signed:flag"),
    "models.LabeledCell": Entry({}, "frame:frame?"),
    "models.LatticeVectors": Entry({}, "frame:frame?"),
    "models.NeighborVectors": Entry({}, "frame:frame?"),
    "models.FAGNN": Entry({}, "hidden_channels:size num_layers:count dim:size edge_dim:count fused:flag"),
    "models.EGNN": Entry({}, "hidden_channels:size num_layers:size edge_dim:count"),
    "models.GNN": Entry({}, "hidden_channels:size num_layers:count dim:size"),
    "models.MPNN": Entry({}, "hidden_channels:size num_layers:count dim:size edge_dim:count"),
    "models.RadialField": Entry({}, "hidden_channels:size num_layers:size edge_dim:count"),
    "models.Linear": Entry({}, ""),
    "models.KinematicGNN": Entry(
        {}, "hidden_channels:size num_layers:count dim:size num_times:count horizon:length velocity:flag"
    ),
    "models.SEGNN": Entry({}, "hidden_channels:size num_layers:count"),
    "models.TFN": Entry({}, "hidden_channels:size num_layers:size lmax:size radial:size"),
    "models.SE3Transformer": Entry(
        {}, "hidden_channels:size num_layers:size lmax:size radial:size skip:flag scale:number?"
    ),
    "models.PairForceIntegrator": Entry(
        {},
        "hidden_channels:size time:length steps:positive train_steps:positive step_angle:length "
        "max_rate:length max_force:length? limit:name",
    ),
    "models.TwoBody": Entry({}, "time:length max_force:length? steps:positive"),
    "models.VNPointNet": Entry({}, "width:length k:positive num_classes:size? cross:flag"),
    "models.VNDGCNN": Entry({}, "width:length k:positive num_classes:size? cross:flag"),
    "models.PCANormals": Entry({}, "k:positive"),
    "models.PatchedNormals": Entry(
        {"model": fa_pyg.models.PCANormals()},
        "model:module patch_size:positive overlap:length oriented:flag chunk:positive",
    ),
    "models.orient_normals": Entry(
        {"pos": POS, "normal": POS}, "pos:tensor normal:tensor batch:free k:positive"
    ),
    "models.PointNet": Entry(
        {}, "num_classes:size? transforms:flag normalize:flag channels:list num_vectors:size" + POINTS
    ),
    "models.DGCNN": Entry(
        {},
        "k:positive num_classes:size? transforms:flag normalize:flag coordinates:flag dropout:amount"
        + POINTS,
    ),
    "models.FramedPoints": Entry(
        {"model": fa_pyg.models.PointNet(0.1)}, "model:module frame:frame? average:name"
    ),
    "models.FAPointNet": Entry({}, "width:length num_classes:size? frame:frame? average:name"),
    "models.FADGCNN": Entry(
        {},
        "width:length k:positive num_classes:size? frame:frame? average:name transforms:flag dropout:amount",
    ),
    "models.FALocalPointNet": Entry(
        {}, "width:length k:size num_classes:size? frame:frame? average:name local_frame:frame?"
    ),
    "models.AtomicReference": Entry({}, "reduce_mean:flag max_z:size"),
    "models.AdjacencyMLP": Entry({**GRAPHS, "max_nodes": 5}, "max_nodes:size act:function" + OF_GRAPHS),
    "models.GCN": Entry(GRAPHS, "" + OF_GRAPHS + STACK),
    "models.GAT": Entry({**GRAPHS, "heads": 2}, "heads:size" + OF_GRAPHS + STACK),
    "models.GIN": Entry(GRAPHS, "ids:size?" + OF_GRAPHS + STACK),
    "models.ChebNet": Entry(GRAPHS, "order:size" + OF_GRAPHS + STACK),
    "models.ConvStack": Entry(
        {"convs": [nn.Linear(1, 8)], "in_channels": 1, "hidden_channels": 8, "out_channels": 1},
        "convs:list in_channels:count hidden_channels:size out_channels:size" + STACK,
    ),
    "models.PPGN": Entry(GRAPHS, "depth:size bias:flag" + OF_GRAPHS + STACK),
    "models.GNNML3": Entry(GRAPHS, "frequencies:size bandwidth:amount reach:size" + OF_GRAPHS + STACK),
    "models.GNNML3Supports": Entry({}, "frequencies:size bandwidth:amount reach:size"),
    "models.gnnml3_supports": Entry(
        {"edge_index": EDGES, "batch": ZEROS},
        "edge_index:tensor batch:tensor frequencies:size bandwidth:amount reach:size",
    ),
    "models.LambdaMax": Entry({}, ""),
    "models.largest_eigenvalues": Entry(
        {"edge_index": EDGES, "batch": ZEROS},
        "edge_index:tensor batch:tensor",
    ),
    # ---- transforms
    "transforms.AddFrames": Entry({"frame": PCAFrame("E(3)")}, "frame:frame" + DECLARED),
    "transforms.CanonicalPose": Entry({"frame": PCAFrame("E(3)")}, "frame:frame" + DECLARED),
    "transforms.NodeDegree": Entry({}, ""),
    "transforms.NodeID": Entry({}, ""),
    "transforms.NormalizeCloud": Entry({}, ""),
    "transforms.RandomMotion": Entry(
        E3,
        "group:group inputs:inputs? generator:generator? scale:amount levels:levels? "
        "sigma:amount boost:amount",
    ),
    "transforms.data_frames": Entry(
        {
            "data": Data(
                frame_rotation=torch.eye(3)[None],
                frame_weight=torch.ones(1),
                frame_count=torch.ones(1).long(),
            )
        },
        "data:tensor name:text",
    ),
    # ---- data sets
    "datasets.CADNormals": Entry(
        {"shipped": True},
        "root:path? split:name? num_points:positive splitting:name num_parts:positive? fresh:flag? "
        "shipped:flag transform:function?",
    ),
    "datasets.symmetric_part": Entry(
        {"name": "washer"}, "name:name num_points:positive seed:whole dtype:free"
    ),
    "datasets.symmetric_rotations": Entry({"name": "washer"}, "name:name"),
    "datasets.CovalentBonds": Entry({}, "scale:length"),
    "datasets.RDKitBonds": Entry({}, "charge:integer time_limit:length fallback:function?"),
    "datasets.RadiusGraph": Entry({"r": 2.0}, "r:length max_num_neighbors:whole?"),
    "datasets.EXP": Entry(root, "root:path split:name? checksum:free transform:free", runs=False),
    "datasets.EXPLike": Entry(
        {"num_pairs": 3},
        "root:path? num_pairs:positive seed:whole split:name? lengths:list transform:free force_reload:free",
    ),
    "datasets.GRAPH8c": Entry(
        lambda folder: {"root": folder, "n": 4, "log": False},
        "root:path n:positive transform:free log:free force_reload:free",
    ),
    "datasets.InMemoryLoader": Entry(
        {"dataset": Batch.from_data_list([GRAPH])},
        "dataset:module batch_size:positive shuffle:flag "
        "generator:generator? drop_last:flag device:free seed:whole "
        "rank:whole? world_size:positive? sampler:sampler?",
    ),
    "datasets.OnDiskLoader": Entry(
        {"dataset": [GRAPH]},
        "dataset:dataset batch_size:positive shuffle:flag "
        "drop_last:flag num_workers:count seed:whole rank:whole? "
        "world_size:positive? sampler:sampler?",
    ),
    "datasets.ABCNormals": Entry(
        meshes,
        "root:path split:name? splits:path? num_points:positive pool:positive num_parts:positive? "
        "fresh:flag? on_error:name transform:function?",
    ),
    "datasets.MeshNormals": Entry(
        meshes,
        "root:path split:name? num_points:positive pool:positive num_parts:positive? fresh:flag? smooth:flag "
        "repair:flag on_error:name transform:function?",
    ),
    "datasets.PCPNetToCloud": Entry({}, "num_points:positive? fresh:flag listed:flag"),
    "datasets.NBody": Entry(
        lambda folder: {
            "root": folder,
            "num_samples": 1,
            "length": 300,
            "input_frame": 0,
            "target_frame": 1,
            "log": False,
        },
        "root:path split:name num_samples:positive? num_particles:positive length:positive input_frame:whole "
        "target_frame:positive seed:whole interaction:name num_neighbors:positive? velocities:flag "
        "transform:free log:free force_reload:free",
    ),
    "datasets.NCIConformers": Entry(
        root,
        "root:path split:name? num_molecules:positive? conformers:positive seed:whole dtype:dtype "
        "workers:positive? time_limit:length transform:free log:free force_reload:free",
        runs=False,
    ),
    "datasets.MDTrajectory": Entry(
        root,
        "root:path molecule:path split:name? temperature:length steps:positive stride:positive "
        "timestep:length friction:length equilibration:whole seed:whole num_train:positive num_val:positive "
        "charge:integer unpaired:whole dtype:dtype "
        "time_limit:length transform:free log:free force_reload:free",
        runs=False,
    ),
    "datasets.Statistics": Entry(
        {"sizes": {}, "elements": {}, "targets": {}}, "sizes:free elements:free targets:free"
    ),
    "datasets.Table": Entry(
        {"path": "a.csv"}, "path:free file:free index:free columns:free text:free delimiter:free"
    ),
    "datasets.cfi_pair": Entry({"base_edge_index": EDGES}, "base_edge_index:tensor"),
    "datasets.csl": Entry({"n": 41}, "n:positive skips:list copies:positive seed:whole"),
    "datasets.rook": Entry({}, "m:positive"),
    "datasets.shrikhande": Entry({}),
    "datasets.strongly_regular_pair": Entry({}),
    "datasets.statistics": Entry({"dataset": [GRAPH]}, "dataset:free targets:free"),
    "read_xyz": Entry(water, "path:free dtype:dtype comment:free columns:free edges:free targets:free"),
    "datasets.XYZ": Entry(waters, SPLIT + " on_error:name table:free pre_transform:free pre_filter:free"),
    "datasets.LazyXYZ": Entry(waters, SPLIT + " on_error:name table:free cache:free workers:free"),
    "datasets.XYZStream": Entry(
        lambda folder: {"root_or_files": water(folder)["path"]},
        "root_or_files:free on_error:name transform:free",
    ),
    "datasets.OnDiskXYZ": Entry(
        lambda folder: {"root": folder, **waters(folder)},
        SPLIT + " root:free name:free workers:free pre_transform:free pre_filter:free",
    ),
    # ---- tests for users
    "testing.FrameContract": Entry({}),
    "testing.Line": Entry(
        {"name": "a", "start": POS, "direction": POS}, "name:free start:free direction:free z:free"
    ),
    "testing.Motion": Entry(
        {"rotation": torch.eye(3), "translation": torch.zeros(3)},
        "rotation:free translation:free scale:free boost:free",
    ),
    "testing.NamedCloud": Entry(
        {"name": "a", "z": None, "pos": POS, "order": 1, "rotations": 1},
        "name:free z:free pos:free order:free rotations:free",
    ),
    "testing.Separation": Entry(
        {"num_graphs": 1, "pairs": POS, "unsound": POS}, "num_graphs:free pairs:free unsound:free"
    ),
    "testing.Probe": Entry({"dim": 3}, "dim:size length:length velocities:flag seed:whole"),
    "testing.Report": Entry(
        {"facts": (), "sections": ()},
        "facts:free sections:free seconds:free structures:free raised:free allow_errors:free",
    ),
    "testing.report": Entry(
        {"model": Sums(), "data": [GRAPH], "group": "S(n)", "num": 1, "only": ["batch"]},
        "model:function data:free group:group inputs:inputs? output:output? names:free edges:length? "
        "only:name? num:positive dtype:name? training:flag tol:amount? quick:flag? seed:whole "
        "allow_errors:flag",
    ),
    "testing.framed_probe": Entry({"frame": PCAFrame("E(3)")}, "frame:frame"),
    "testing.catalogue": Entry({"kinds": ["planes"]}, "dim:size kinds:name?"),
    "testing.run_contract": Entry({"contract": ContractBase}, "contract:frame"),
    "testing.lines": Entry({"n": 1}, "n:whole? dim:size kinds:name? gap:amount width:amount seed:whole"),
    "testing.modified": Entry({"cloud": CLOUD}, "cloud:module offset:number scale:number colored:flag"),
    "testing.modifiers": Entry({}),
    "testing.random_motion": Entry(E3, "group:group generator:generator? proper:flag? scale:amount"),
    "testing.relabelled": Entry(
        {"batch": Batch.from_data_list([GRAPH])}, "batch:module generator:generator?"
    ),
    "testing.graph_catalogue": Entry({}),
    "testing.point_symmetries": Entry({"pos": CLOUD.pos}, "pos:free z:free tol:length"),
    "testing.idealised": Entry({"pos": CLOUD.pos}, "pos:free z:free tol:free"),
    "testing.pairs_not_told_apart": Entry({"outputs": [POS]}, "outputs:list pairs:number? threshold:amount"),
    "testing.assert_frame": Entry(
        {"frame": PCAFrame("E(3)"), "pos": CLOUD.pos},
        "frame:frame pos:real batch:number? node_weight:number? "
        "group:group? tol:amount trials:whole seed:whole",
    ),
    "testing.assert_invariants": Entry(SHARING, "model:module inputs:free tol:amount? seed:whole"),
    "testing.invariants_error": Entry(SHARING, "model:module inputs:free seed:whole"),
    "testing.assert_permutation_frame": Entry(
        {"frame": fa_pyg.CanonicalFrame(), "trials": 1},
        "frame:other graphs:module? trials:positive seed:whole",
    ),
    "testing.assert_same_sets": Entry(
        {"a": FRAMES, "b": FRAMES, "body_a": 0, "body_b": 0},
        "a:frame b:frame body_a:whole body_b:whole tol:amount",
    ),
    "testing.assert_exact": Entry(
        {"frame": PCAFrame("E(3)"), "clouds": [CLOUD], "tol": 9.0}, "frame:frame clouds:list? tol:amount?"
    ),
    "testing.exactness_error": Entry(
        {"frame": PCAFrame("E(3)"), "clouds": [CLOUD]},
        "frame:frame clouds:list? length:length dtype:dtype "
        "velocities:flag forces:flag trials:positive seed:whole",
    ),
    "testing.assert_equivariant": Entry(
        SCALAR,
        "model:free inputs:free group:group input_reps:free output:free level:free levels:free "
        "tol:amount? trials:positive seed:whole",
    ),
    "testing.equivariance_error": Entry(
        SCALAR,
        "model:free inputs:free group:group input_reps:free output:free level:free levels:free "
        "trials:positive seed:whole",
    ),
    "testing.assert_conservative": Entry(
        ENERGY,
        "model:module inputs:free pos:free energy:free forces:free group:free tol:amount rounding:amount "
        "step:length trials:positive seed:whole",
    ),
    "testing.conservation_error": Entry(
        ENERGY,
        "model:module inputs:free pos:free energy:free forces:free group:free step:length "
        "trials:positive seed:whole",
    ),
    "testing.Curvature": Entry(
        {"coarse": 1.0, "fine": 1.0, "growth": 1.0}, "coarse:free fine:free growth:free"
    ),
    "testing.Steepness": Entry(
        {"largest": 1.0, "p99": 1.0, "median": 1.0},
        "largest:free p99:free median:free runs:free most_runs:free",
    ),
    "testing.steepness": Entry(
        FRAMED | {"count": 2},
        "model:function inputs:free pos:free energy:free forces:free group:group bare:function? "
        "input_reps:free sigma:amount count:positive nodes:positive seed:whole",
    ),
    "testing.curvature": Entry(
        FRAMED | {"directions": 1, "steps": 16},
        "model:function inputs:free directions:positive pos:free energy:free group:group bare:function? "
        "input_reps:free span:length steps:positive nodes:positive seed:whole",
    ),
    "testing.assert_smooth": Entry(
        FRAMED | {"count": 2},
        "model:function inputs:free pos:free energy:free forces:free group:group most:length growth:length "
        "directions:positive? bare:function? input_reps:free sigma:amount count:positive span:length "
        "nodes:positive seed:whole",
    ),
    "testing.stretches": Entry({"pos": POS, "bonds": EDGES}, "pos:tensor bonds:tensor"),
    "testing.assert_continuous": Entry(
        CURVE, "f:function line:module steps:positive zooms:size shrink:length floor:radius"
    ),
    "testing.largest_step": Entry(CURVE, "f:function line:module steps:list"),
    "testing.separation": Entry(
        {"make_model": Sums, "graphs": Batch.from_data_list([GRAPH]), "initializations": 1},
        "make_model:function graphs:module pairs:number? "
        "inputs:list transform:function? initializations:positive "
        "threshold:amount squash:function? seed:whole progress:text?",
    ),
    # ---- dynamics, ASE, pictures
    "dynamics.Trajectory": Entry(
        RUN, "time:free potential:free kinetic:free pos:free forces:free end:free is_finite:free"
    ),
    "dynamics.along": Entry(
        ALONG, "model:module z:free pos:free batch_size:positive device:free watch:function?"
    ),
    "dynamics.path_gaps": Entry(
        ALONG, "model:module z:free pos:free batch_size:positive device:free watch:function?"
    ),
    "dynamics.conservation": Entry({"run": fa_pyg.dynamics.Trajectory(**RUN)}, "run:module"),
    "dynamics.nve": Entry(
        {"atoms": None, "steps": 1, "timestep": 1.0},
        "atoms:free steps:whole timestep:length watch:function?",
        runs=False,
    ),
    "dynamics.nve_together": Entry(
        {"model": Energies(), "systems": (), "steps": 1, "timestep": 1.0},
        "model:free systems:free steps:whole timestep:length watch:function?",
        runs=False,
    ),
    "dynamics.frequencies": Entry({"atoms": None}, "atoms:free delta:length", runs=False),
    "dynamics.splitting": Entry(
        {"found": (1.0, 2.0), "multiplicities": (2,)}, "found:free multiplicities:free"
    ),
    "dynamics.scannable_bonds": Entry({"atoms": None}, "atoms:free", runs=False),
    "dynamics.bond_scan": Entry(
        {"atoms": None, "bond": (0, 1), "stretch": np.zeros(1)},
        "atoms:free bond:free stretch:free",
        runs=False,
    ),
    "dynamics.thermalised": Entry(
        {"atoms": None, "temperature": 300.0}, "atoms:free temperature:amount seed:whole", runs=False
    ),
    "dynamics.work_gaps": Entry(
        {"pos": np.zeros((2, 1, 3)), "energy": np.zeros(2), "forces": np.zeros((2, 1, 3))},
        "pos:free energy:free forces:free",
    ),
    "ase.FACalculator": Entry(
        {"checkpoint": "none"}, "checkpoint:free device:free dtype:free trust:free frame:free", runs=False
    ),
    "plot.plot_energies": Entry({"runs": {}}, "runs:free path:free title:free shared:free", runs=False),
    "plot.plot_errors": Entry({"errors": {}}, "errors:free path:free title:free tol:free", runs=False),
    "plot.plot_learning_curves": Entry(
        {"curves": {}}, "curves:free path:free xlabel:free ylabel:free title:free", runs=False
    ),
    "plot.plot_parity": Entry({"pairs": {}}, "pairs:free path:free title:free most:free", runs=False),
    "plot.save_figure": Entry({"figure": None, "path": "a.png"}, "figure:free path:free", runs=False),
    "plot.show_frames": Entry(
        {"data": GRAPH}, "data:free frame:free path:free most:free title:free", runs=False
    ),
}


def cases() -> Iterator[Any]:
    for name, entry in ENTRIES.items():
        for argument, kind in entry.kinds.items():
            if kind != FREE:
                yield pytest.param(name, argument, kind, id=f"{name}-{argument}")


def test_every_public_name_and_argument_has_an_entry():
    """A new class, or a new argument of one, needs a line in the table."""
    things = public()
    assert set(things) == set(ENTRIES)
    for name, thing in things.items():
        skipped = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        parameters = [p.name for p in inspect.signature(thing).parameters.values() if p.kind not in skipped]
        missing = set(parameters) - set(ENTRIES[name].kinds)
        assert not missing, f"{name}: no entry for {', '.join(sorted(missing))}"


@pytest.mark.parametrize("name", ENTRIES)
def test_good_arguments_are_taken(name, tmp_path):
    """The control: what is refused below is refused for the one argument that is changed."""
    if ENTRIES[name].runs:
        public()[name](**ENTRIES[name].arguments(tmp_path))


@pytest.mark.parametrize(("name", "argument", "kind"), cases())
def test_bad_arguments_are_refused(name, argument, kind, tmp_path):
    thing, faults = public()[name], []
    for value in values_of(kind):
        given = {**ENTRIES[name].arguments(tmp_path), argument: value}
        try:
            found = thing(**given)
            list(found) if isinstance(found, Iterator) else None
        except ValueError as error:
            text = str(error)
            said = re.search(rf"{re.escape(argument)}\b", text) and "expected" in text
            if said and re.search("found|unknown|no finite", text):
                continue
            faults.append(f"{value!r:.60}: ValueError {text[:200]}")
        except Exception as error:
            faults.append(f"{value!r:.60}: {type(error).__name__} {str(error)[:200]}")
        else:
            faults.append(f"{value!r:.60}: taken")
    assert not faults, "\n".join([f"{name}({argument}=...)", *faults])
