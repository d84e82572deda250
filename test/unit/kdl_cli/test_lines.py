import click
import pytest

from kdl_cli.lines import LineSplitter, Prefixes


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b\nc"], ["ab", "c"]),
        ([b"\n\n"], ["", ""]),
        ([b"windows\r\n"], ["windows"]),
        (["é\n".encode()[:1], "é\n".encode()[1:]], ["é"]),
        ([b"\xff\n"], ["\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_chunks_become_lines(chunks: list[bytes], lines: list[str]) -> None:
    splitter = LineSplitter()
    seen = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert [*seen, *splitter.close()] == lines
    assert list(splitter.close()) == []


def test_each_source_has_its_own_colour_and_all_the_same_width() -> None:
    prefixes = Prefixes()
    prefixes.know("master-0")
    prefixes.know("worker-10")
    master, worker = prefixes.apply("master-0", "hello"), prefixes.apply("worker-10", "hello")
    assert click.unstyle(master) == "[master-0]  hello"
    assert click.unstyle(worker) == "[worker-10] hello"
    assert master[:5] != worker[:5], "the colour codes differ"


def test_a_single_source_is_printed_as_it_is() -> None:
    assert Prefixes(enabled=False).apply("worker-0", "loss 0.1") == "loss 0.1"
