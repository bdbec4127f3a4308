"""What a study writes into a page, and what it leaves alone."""

import pytest

from daflow_jax import errors
from studies import page


def test_a_part_is_written_anew_and_the_rest_of_the_page_stays(tmp_path):
    file = tmp_path / "page.md"
    file.write_text("# Head\n\n<!-- a: begin -->\nold\n<!-- a: end -->\n\nBelow.\n")
    page.fill(file, "a", "new\n")
    page.fill(file, "b", "| other |")
    begun = "# Head\n\n<!-- a: begin -->\nnew\n<!-- a: end -->\n\nBelow.\n\n"
    assert file.read_text() == begun + "<!-- b: begin -->\n| other |\n<!-- b: end -->\n"
    before = file.read_text()
    page.fill(file, "b", "| other |")
    assert file.read_text() == before


def test_a_part_whose_end_is_missing_is_refused_and_the_page_stays(tmp_path):
    file = tmp_path / "page.md"
    file.write_text("# Head\n<!-- a: begin -->\nold\n\nWritten by hand.\n")
    with pytest.raises(errors.UserError, match="a: end"):
        page.fill(file, "a", "new")
    assert "Written by hand." in file.read_text()
