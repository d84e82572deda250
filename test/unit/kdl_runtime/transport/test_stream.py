"""Chunks of any size into lines of any length."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_runtime.transport.stream import LineSplitter, split_lines


@pytest.mark.parametrize(
    ("chunks", "fed", "rest"),
    [
        ([], [], b""),
        ([b""], [[]], b""),
        ([b"a\n"], [[b"a"]], b""),
        ([b"a"], [[]], b"a"),
        ([b"a\nb\n"], [[b"a", b"b"]], b""),
        ([b"a\nb"], [[b"a"]], b"b"),
        ([b"a", b"b\n"], [[], [b"ab"]], b""),
        ([b"a", b"b", b"c\nd\ne"], [[], [], [b"abc", b"d"]], b"e"),
        ([b"a\r\nb\r\n"], [[b"a", b"b"]], b""),
        ([b"a\r", b"\nb"], [[], [b"a"]], b"b"),
        ([b"\n\n\r\na\n"], [[b"a"]], b""),
        ([b"a\rb\n"], [[b"a\rb"]], b""),
        ([b"a\r"], [[]], b"a"),
        (["é".encode()[:1], "é".encode()[1:] + b"\n"], [[], ["é".encode()]], b""),
        (["x\u2028y\x85\n".encode()], [["x\u2028y\x85".encode()]], b""),
    ],
)
def test_lines(chunks: list[bytes], fed: list[list[bytes]], rest: bytes) -> None:
    splitter = LineSplitter()
    assert [splitter.feed(chunk) for chunk in chunks] == fed
    assert splitter.finish() == rest
    assert splitter.finish() == b""


lines = st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")), max_size=8)


@given(lines, st.sampled_from([b"\n", b"\r\n"]), st.lists(st.integers(0, 120), max_size=8))
def test_where_the_chunks_end_does_not_matter(content: list[bytes], end: bytes, cuts: list[int]) -> None:
    data = b"".join(line + end for line in content) + b"tail"
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    splitter = LineSplitter()
    found = []
    for start, stop in itertools.pairwise(bounds):
        found += splitter.feed(data[start:stop])
    assert found == [line for line in content if line]
    assert splitter.finish() == b"tail"


async def _stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_a_last_line_without_end_is_a_line() -> None:
    assert [line async for line in split_lines(_stream(b"a\nb", b"c\n", b"d"))] == [b"a", b"bc", b"d"]
    assert [line async for line in split_lines(_stream())] == []


async def test_a_line_of_many_megabytes_costs_linear_time() -> None:
    chunk = b"x" * 4096
    count = 8 * 2**20 // len(chunk)
    async with asyncio.timeout(20):
        found = [line async for line in split_lines(_stream(*[chunk] * count, b"\nshort\n"))]
    assert [len(line) for line in found] == [8 * 2**20, 5]
