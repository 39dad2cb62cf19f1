"""Generated parts of pages."""

import pytest

from fa_pyg.train.nbody.pages import replace_part

PAGE = "# A\n\n<!-- table -->\nmine\n<!-- end -->\n\n<!-- nbody table -->\n{}<!-- end -->\n\nB\n"


def test_only_the_part_is_replaced(tmp_path):
    page = tmp_path / "a.md"
    page.write_text(PAGE.format(""))
    replace_part(page, "nbody table", "| a |\n\\1\n\n")
    assert page.read_text() == PAGE.format("| a |\n\\1\n")
    replace_part(page, "nbody table", "| b |")
    assert page.read_text() == PAGE.format("| b |\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- nbody table -->\n",
        "<!-- nbody table -->\n<!-- other -->\n<!-- end -->\n",
        "text <!-- nbody table --> <!-- end -->",
        PAGE.format("") + PAGE.format(""),
    ],
)
def test_a_page_without_the_marker_is_named_and_unchanged(text, tmp_path):
    page = tmp_path / "a.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=r"a\.md: expected <!-- nbody table --> once"):
        replace_part(page, "nbody table", "x")
    assert page.read_text() == text
    with pytest.raises(ValueError, match=r"b\.md: expected a page"):
        replace_part(tmp_path / "b.md", "nbody table", "x")
