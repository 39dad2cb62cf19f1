"""One structure at a time: the same as all at once, and bad ones raise, are left out, or are reported."""

import pytest
import torch

from fa_pyg.io import XYZError, iterate_xyz, read_xyz

GOOD = "3\n{}\nO 0 0 0.1\nH 0 0.8 -0.4\nH 0 -0.8 -0.4\n"
BAD = GOOD.replace("0.8 -", "zero ", 1)


def sources(structures):
    return [data.source.rpartition(":")[2] for data in structures]


def test_structures_are_those_of_read_xyz(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("".join(GOOD.format(f"energy={k} Properties=species:S:1:pos:R:3") for k in range(20)))
    options = {"dtype": torch.float64, "targets": ["energy"]}
    found, expected = list(iterate_xyz(path, **options)), read_xyz(path, **options)
    assert len(found) == 20
    for one, other in zip(found, expected, strict=True):
        assert one.to_dict().keys() == other.to_dict().keys()
        assert all(str(one[name]) == str(other[name]) for name in one.keys())  # noqa: SIM118


def test_a_bad_structure_raises_after_the_good_ones_before_it(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(GOOD + BAD + GOOD)
    structures = iterate_xyz(path)
    assert next(structures).source == f"{path}:1"
    with pytest.raises(XYZError) as caught:
        next(structures)
    with pytest.raises(XYZError) as expected:
        read_xyz(path)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize("name", ["skip", "function"])
def test_a_bad_structure_is_left_out(name, tmp_path):
    path, errors = tmp_path / "a.xyz", []
    path.write_text(GOOD + BAD + GOOD)
    assert sources(iterate_xyz(path, on_error="skip" if name == "skip" else errors.append)) == ["1", "11"]
    assert [(error.line, error.ends_file) for error in errors] == [(9, False)] * (name != "skip")


@pytest.mark.parametrize("tail", ["x\n", "4\n\nO 0 0 0\n"])
def test_what_leaves_the_next_structure_open_ends_the_file(tail, tmp_path):
    path, errors = tmp_path / "a.xyz", []
    path.write_text(GOOD + BAD + GOOD + tail)
    assert sources(iterate_xyz(path, on_error=errors.append)) == ["1", "11"]
    assert [error.ends_file for error in errors] == [False, True]


def test_any_failure_of_edges_is_that_of_its_structure(tmp_path):
    def edges(data):
        if data.source.endswith(":6"):
            raise KeyError("no edges\nhere")
        return data

    path, errors = tmp_path / "a.xyz", []
    path.write_text(3 * GOOD)
    assert sources(iterate_xyz(path, on_error=errors.append, edges=edges)) == ["1", "11"]
    assert (errors[0].file, errors[0].line) == (str(path), 6)
    assert "KeyError" in str(errors[0])
    assert len(str(errors[0]).splitlines()) == 1
    with pytest.raises(KeyError):
        list(iterate_xyz(path, edges=edges))


def test_a_missing_file_is_an_error_like_any_other(tmp_path):
    errors = []
    assert list(iterate_xyz(tmp_path / "none.xyz", on_error=errors.append)) == []
    assert [(error.file, error.line, error.ends_file) for error in errors] == [
        (str(tmp_path / "none.xyz"), None, True)
    ]
    with pytest.raises(XYZError, match="no such file"):
        next(iterate_xyz(tmp_path / "none.xyz"))


@pytest.mark.parametrize("options", [{"on_error": "ignore"}, {"on_error": None}, {"dtype": torch.float16}])
def test_bad_arguments_are_refused_at_the_call(options):
    with pytest.raises(ValueError, match="expected"):
        iterate_xyz("a.xyz", **options)


def test_what_the_function_of_errors_raises_is_passed_on(tmp_path):
    (tmp_path / "a.xyz").write_text("1\n\nH 0 0 0\n1\n\nQq 0 0 0\n1\n\nH 0 0 1\n")
    calls = []

    def full(error):
        calls.append(error)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(iterate_xyz(tmp_path / "a.xyz", on_error=full))
    assert len(calls) == 1
    assert len(list(iterate_xyz(tmp_path / "a.xyz", on_error="skip"))) == 2
