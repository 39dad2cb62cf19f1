"""YAML of configurations: plain data, of limited size."""

import pytest

from fa_pyg.config.plain import LimitError, parse_text, read


def test_a_configuration_is_plain_data(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "a: 1\nb: &b {c: [x, null, true, 1.5]}\nd: *b\ne: {<<: *b, f: 2024-01-01}\n"
    )
    assert read(tmp_path / "a.yaml")["e"]["c"] == ["x", None, True, 1.5]
    (tmp_path / "b.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ValueError, match=r"b\.yaml: expected a configuration"):
        read(tmp_path / "b.yaml")
    with pytest.raises(ValueError, match=r"c\.yaml: expected a configuration"):
        read(tmp_path / "c.yaml")


@pytest.mark.parametrize("text", ["a: 1", "[1, x]", "3", "text", "{", "1e-3"])
def test_text_is_yaml_or_itself(text):
    found = {"a: 1": {"a": 1}, "[1, x]": [1, "x"], "3": 3}
    assert parse_text(text) == found.get(text, text)


@pytest.mark.parametrize("text", ["[" * 100 + "]" * 100, "!!bool maybe"])
def test_text_beyond_the_limits_is_refused(text):
    with pytest.raises(LimitError, match="expected "):
        parse_text(text)
