"""Generated parts of pages."""

import pytest

from fa_pyg.train.nbody.pages import check_page, replace_part

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
        PAGE.format("").replace("<!-- nbody", "text <!-- nbody"),
        PAGE.format("").replace("table -->\n<!-- end", "table --> text\n<!-- end"),
        PAGE.format("text ").replace("mine\n<!-- end -->", ""),
        "<!-- nbody table -->\n<!-- end --> text\n",
    ],
)
def test_a_page_without_the_marker_is_named_and_unchanged(text, tmp_path):
    page = tmp_path / "a.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=r"a\.md: expected <!-- nbody table --> once"):
        check_page(page, "nbody table")
    with pytest.raises(ValueError, match="once, on a line of its own"):
        replace_part(page, "nbody table", "x")
    assert page.read_text() == text
    with pytest.raises(ValueError, match=r"b\.md: expected a page"):
        replace_part(tmp_path / "b.md", "nbody table", "x")


def test_line_ends_are_kept(tmp_path):
    page = tmp_path / "a.md"
    for end in ("\r\n", "\n"):
        page.write_bytes(PAGE.format("old\n").replace("\n", end).encode())
        replace_part(page, "nbody table", "| a |\n| b |\n")
        assert page.read_bytes() == PAGE.format("| a |\n| b |\n").replace("\n", end).encode()


def test_a_page_in_another_encoding_is_named_and_unchanged(tmp_path):
    content = PAGE.format("größe\n").encode("latin-1")
    (tmp_path / "a.md").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.md: expected a page in UTF-8, found other bytes"):
        replace_part(tmp_path / "a.md", "nbody table", "x")
    assert (tmp_path / "a.md").read_bytes() == content
