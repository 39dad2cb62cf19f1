"""The code in docs/frames.md runs as written, and confirms the statements of the page."""

import re
import warnings
from pathlib import Path

import pytest
import torch
import yaml

from fa_pyg.testing import assert_equivariant

PAGE = Path(__file__).resolve().parents[1] / "docs/frames.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def names():
    """All that the page's code has defined, block after block, as a reader would type it."""
    torch.manual_seed(0)
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, block in enumerate(BLOCKS):
            exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    return names


def test_it_runs(names):
    assert len(BLOCKS) == PAGE.read_text(encoding="utf-8").count("```python") > 3
    assert names["out"]["scalar"].shape == (8, 8)


def test_the_bare_network_fails_where_the_framed_one_passes(names):
    args = {key: names[key] for key in ("z", "pos", "batch")}
    assert_equivariant(names["exact"], args, "E(3)")
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(names["net"], args, "E(3)", {"pos": "point"}, "scalar")


def test_what_its_comments_say(names):
    z, pos, batch = names["z"], names["pos"], names["batch"]
    frames = names["WeightedPCAFrame"]("E(3)")(pos, batch=batch, node_weight=z)
    assert frames.counts.tolist() == [96, 8]
    fast = names["WeightedPCAFrame"]("E(3)", smoothness="fast")(pos, batch=batch, node_weight=z)
    assert fast.counts.tolist() == [24, 4]
    assert frames.exact_for("tensor").tolist() == [True, True]
    plain = names["PCAFrame"]
    assert plain("E(3)")(pos, batch=batch).exact_for("scalar").tolist() == [False, True]
    with pytest.warns(UserWarning, match="PCAFrame"):
        plain("E(3)", on_degenerate="warn")(pos, batch=batch)


def prose(page):
    """The text of a page without blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page):
    """The sections of a page, as links name them."""
    text = prose(page)
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", sorted([*PAGE.parent.glob("*.md"), *PAGE.parents[1].glob("*.md")]), ids=str)
def test_every_page_and_section_that_it_links_to_is_there(page):
    text = re.sub(r"(?<!\])`[^`\n]*`", "`", prose(page))
    for target in re.findall(r"\]\(([^)\s]*)\)", text):
        if target.startswith(("http:", "https:")):
            continue
        file, _, section = target.partition("#")
        other = page.parent / file if file else page
        assert other.exists(), target
        assert not section or section in anchors(other), target


def files_named(text):
    """Paths of files of this repository in code, from its root or from that of the package."""
    paths = re.findall(r"`([\w.\-]+(?:/[\w.\-]+)+\.(?:py|md|yaml))`", text)
    return [path for path in paths if path.split("/")[0] not in ("runs", "my_folder")]


@pytest.mark.parametrize("page", sorted([*PAGE.parent.glob("*.md"), *PAGE.parents[1].glob("*.md")]), ids=str)
def test_every_file_that_it_names_is_there(page):
    root = PAGE.parents[1]
    missing = [
        path
        for path in files_named(page.read_text(encoding="utf-8"))
        if not any((home / path).exists() for home in (root, root / "fa_pyg", page.parent))
    ]
    assert missing == []


def test_a_file_that_is_not_there_is_found():
    assert files_named("see `config/trust.py`, `name.py` and `runs/a/config.yaml`") == ["config/trust.py"]


def test_the_page_on_graphs_runs():
    page = PAGE.with_name("graphs.md").read_text(encoding="utf-8")
    torch.manual_seed(0)
    names = {}
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)):
        exec(compile(block, f"graphs.md, block {number}", "exec"), names)
    assert names["y"].shape == (1, 10)
    args = {key: names[key] for key in ("x", "edge_index", "batch")}
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(names["net"], args, "S(n)")


def test_the_page_on_scaling_and_boosts_runs():
    page = PAGE.with_name("similarity.md").read_text(encoding="utf-8")
    names = {}
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)):
        exec(compile(block, f"similarity.md, block {number}", "exec"), names)
    system, conjugate = names["system"], names["Conjugate"](names["net"])
    opposite = {**system, "charge": -system["charge"]}
    assert torch.allclose(conjugate(**system), conjugate(**opposite), rtol=1e-12)
    assert not torch.allclose(names["net"](**system), names["net"](**opposite), atol=1e-4)
    with pytest.raises(AssertionError, match="scaled"):
        assert_equivariant(names["net"], system, "Sim(3)", names["inputs"], names["later"])


def test_the_configuration_on_the_page_is_the_one_in_its_file():
    text = PAGE.with_name("similarity.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", text, re.M | re.S)[1])
    file = yaml.safe_load((PAGE.parents[1] / "configs/nbody/fa_gnn_haar_scaled.yaml").read_text())
    settings = file["model"]["model"]["init_args"]
    assert shown == {name: settings[name] for name in ("frame", "inputs", "output")}
