import click

from kdl_cli.tables import Table, columns, fields, render, state

HEADS = columns("NAME", "STATE", wide=("NODE",))


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("mnist", "Running", "n1"), ("a-longer-name", "Failed", "n2")]
    assert render(HEADS, rows) == [
        "NAME            STATE",
        "mnist           Running",
        "a-longer-name   Failed",
    ]


def test_wide_columns_are_shown_when_asked_for() -> None:
    assert render(HEADS, [("a", "b", "n1")], wide=True)[0].split() == ["NAME", "STATE", "NODE"]


def test_empty_cells_are_named_and_zero_is_not_empty() -> None:
    assert render(HEADS, [("", 0, None)], wide=True, header=False) == ["<none>   0   <none>"]


def test_colours_do_not_count_as_width() -> None:
    coloured = render(HEADS, [("a", state("Failed"), ""), ("b", "unknown-state", "")])
    plain = render(HEADS, [("a", "Failed", ""), ("b", "unknown-state", "")])
    assert coloured != plain
    assert [click.unstyle(line) for line in coloured] == plain


def test_fields_are_aligned_and_empty_ones_left_out() -> None:
    assert fields([("Name", "mnist"), ("Started", ""), ("Namespace", "ml")]) == [
        "Name:        mnist",
        "Namespace:   ml",
    ]


def test_a_table_goes_on_in_the_columns_that_it_has() -> None:
    table = Table(HEADS)
    assert table.lines([("name", "Running", "")]) == ["NAME   STATE", "name   Running"]
    assert table.lines([("x", "Failed", "")]) == ["x      Failed"]
    assert table.lines([("a-long-name", "Failed", "")]) == ["a-long-name   Failed"]
    assert table.lines([("x", "Failed", "")]) == ["x             Failed"]
