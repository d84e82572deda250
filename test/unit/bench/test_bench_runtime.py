"""The parts of the benchmark with tiny numbers: that all contenders are shown the same, and see all of it."""

import asyncio
import hashlib
import json
import time
from pathlib import Path

import pytest

from bench.runtime.contender import CONTENDERS, post
from bench.runtime.plan import FULL, Measurement, quick, turns
from bench.runtime.pods import SENT, SEQUENCE, PodTemplate, pod
from bench.runtime.probe import Probe, Reading
from bench.runtime.recording import FIRST_VERSION, Recording
from bench.runtime.report import BEGIN, END, QUEUES, tables, write
from bench.runtime.runs import Results, run, run_module, run_once, server
from bench.runtime.summary import Spread, quantile, spread, spreads
from bench.runtime.tables import Table
from kdl_runtime import Client
from kdl_runtime.client.client import WatchOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import decode
from kdl_runtime.resources.registry import PODS
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport

PODS_IN_TEST, EVENTS_IN_TEST = 10, 25


# ---- the stream


def test_pods_are_as_large_as_real_ones() -> None:
    sizes = {len(PodTemplate(number).render(FIRST_VERSION, 7, 8)) for number in (0, 77, 9_999)}
    assert min(sizes) > 4_300
    assert max(sizes) < 4_700


def test_a_template_renders_the_pod_with_the_numbers_of_an_event() -> None:
    rendered = json.loads(PodTemplate(3).render(12, 34, 56))
    expected = pod(3)
    assert (rendered["spec"], rendered["status"]) == (expected["spec"], expected["status"])
    meta = rendered["metadata"]
    numbers = (meta["resourceVersion"], *(int(meta["annotations"][name]) for name in (SEQUENCE, SENT)))
    assert numbers == ("12", 34, 56)


def test_events_go_round_the_pods_and_lists_show_the_last_ones() -> None:
    recording = Recording(3)
    recording.release(5)
    lines, last = recording.events(0, 100)
    objects = [json.loads(line)["object"] for line in lines]
    names = [obj["metadata"]["name"] for obj in objects]
    assert (last, len(set(names)), names[0]) == (5, 3, names[3])
    assert [int(obj["metadata"]["resourceVersion"]) - FIRST_VERSION for obj in objects] == [1, 2, 3, 4, 5]
    states = [json.loads(state) for state in recording.states()]
    assert [int(state["metadata"]["annotations"][SEQUENCE]) for state in states] == [4, 5, 3]
    recording.reset()
    assert [json.loads(state)["metadata"]["resourceVersion"] for state in recording.states()] == [
        str(FIRST_VERSION)
    ] * 3


async def _digest(url: str, *, streamed: bool) -> str:
    """Of all states and events as a reader is shown them, in a hash that says nothing of how they were asked for."""
    await asyncio.to_thread(post, f"{url}/bench/reset")
    transport = HttpTransport(ClusterConfig(server=url), SystemClock())
    client, found, count = Client(transport, SystemClock()), hashlib.sha256(), 0
    options = WatchOptions(send_initial_events=True, resource_version_match="NotOlderThan")
    if not streamed:
        listed = await client.list_page(PODS)
        for item in listed.items or ():
            found.update(bytes(item))
        options = WatchOptions(resource_version=listed.metadata.resource_version)
    async with client.watch(PODS, options=options) as events:
        await asyncio.to_thread(post, f"{url}/bench/replay?events={EVENTS_IN_TEST}")
        async for event in events:
            if event.type != "BOOKMARK":
                found.update(bytes(event.object))
            count += event.type == "MODIFIED"
            if count == EVENTS_IN_TEST:
                break
    await transport.close()
    return found.hexdigest()


async def test_every_reader_is_shown_the_same_bytes() -> None:
    with server(PODS_IN_TEST) as url:
        digests = {await _digest(url, streamed=streamed) for streamed in (False, True, False)}
    assert len(digests) == 1


async def test_events_at_a_rate_say_when_they_were_sent() -> None:
    with server(PODS_IN_TEST) as url:
        transport = HttpTransport(ClusterConfig(server=url), SystemClock())
        options = WatchOptions(send_initial_events=True, resource_version_match="NotOlderThan")
        sent = []
        async with Client(transport, SystemClock()).watch(PODS, options=options) as events:
            await asyncio.to_thread(post, f"{url}/bench/replay?events=4&rate=400")
            async for event in events:
                if event.type == "MODIFIED":
                    sent.append(int(decode(event.object)["metadata"]["annotations"][SENT]))
                if len(sent) == 4:
                    break
        await transport.close()
    assert sent == sorted(sent)
    assert 0 < sent[0] < sent[-1] <= time.monotonic_ns()


# ---- the probe


def reading(number: int, sequence: int, sent: int = 0) -> Reading:
    meta = pod(number)["metadata"]
    return Reading(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        job="",
        owner="",
        node="",
        phase="",
        ready=True,
        restarts=0,
        sequence=f"{sequence:019}",
        sent=f"{sent:019}",
    )


def test_the_probe_knows_when_it_has_seen_every_pod() -> None:
    probe = Probe(pods=2, events=0)
    probe.reconcile(reading(1, 0))
    probe.reconcile(reading(1, 0))
    assert not probe.listed.is_set()
    probe.reconcile(reading(0, 0))
    assert probe.listed.is_set()
    assert probe.first_call_ns <= probe.listed_ns


def test_the_probe_counts_states_and_not_calls_and_ends_with_the_last_state_of_each_pod() -> None:
    probe = Probe(pods=2, events=5)
    for sequence in (1, 1, 5):
        probe.reconcile(reading((sequence - 1) % 2, sequence, sent=1))
    assert (probe.calls, probe.states, len(probe.latencies_ns)) == (3, 2, 2)
    assert not probe.finished.is_set()
    probe.reconcile(reading(1, 4))
    assert probe.finished.is_set()
    assert len(probe.latencies_ns) == 2


# ---- the contenders


@pytest.mark.parametrize("contender", CONTENDERS)
def test_every_contender_comes_to_the_last_event(contender: str) -> None:
    """Or there is no outcome. Two events that come while it works are one state for it."""
    measurement = Measurement(
        "tiny", "events", [contender], PODS_IN_TEST, 1, events=EVENTS_IN_TEST, rate=250, patience=30
    )
    outcome = run(measurement, {}, lambda line: None).outcomes[contender][0]
    assert 1 < outcome["states"] <= EVENTS_IN_TEST
    assert outcome["calls"] >= outcome["states"]
    assert 0 < outcome["p50_ms"] <= outcome["p99_ms"] <= outcome["max_ms"]
    assert outcome["cpu_seconds"] > 0


@pytest.mark.parametrize("kind", ["start", "memory"])
def test_start_and_memory_are_measured(kind: str) -> None:
    tiny = Measurement("tiny", kind, ["kdl", "kopf"], PODS_IN_TEST, 1, patience=30, settle=0.1)
    results = run(tiny, {"kopf": 1e12}, print)
    assert results.left_out == {"kopf": "it would take 10000 GB"}
    assert all(figure > 0 for name, figure in results.outcomes["kdl"][0].items() if name != "load")


def test_a_contender_that_is_too_slow_has_no_result() -> None:
    results = run(Measurement("tiny", "start", ["kdl"], PODS_IN_TEST, 3, patience=0), {}, print)
    assert (results.outcomes, results.left_out) == ({}, {"kdl": "it has not seen all of 10 pods after 0 s"})


def test_a_contender_that_fails_ends_everything() -> None:
    broken = Measurement("tiny", "start", ["kdl"], pods=-1, repetitions=1)
    with pytest.raises(RuntimeError, match=r"(?s)kdl has failed at tiny:.*negative count"):
        run_once("kdl", broken, "http://127.0.0.1:1")


def test_queues_are_measured() -> None:
    outcome = run_module("queues", "--keys", "50")
    assert set(outcome) == set(QUEUES)
    assert min(outcome.values()) > 0


# ---- the figures


def test_somebody_else_is_first_in_each_repetition() -> None:
    assert [turns("abc", repetition) for repetition in range(4)] == [
        tuple("abc"),
        tuple("bca"),
        tuple("cab"),
        tuple("abc"),
    ]


def test_a_quick_look_has_every_measurement_once() -> None:
    assert [one.name for one in quick(FULL)] == [one.name for one in FULL]
    assert {one.repetitions for one in quick(FULL)} == {1}


def test_spreads_are_medians_with_both_ends() -> None:
    assert spread([3.0, 1.0, 9.0, 5.0]) == Spread(4.0, 1.0, 9.0)
    assert spreads([{"a": 1.0, "b": 4.0}, {"a": 3.0, "b": 4.0}]) == {
        "a": Spread(2.0, 1.0, 3.0),
        "b": Spread(4.0, 4.0, 4.0),
    }


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_quantiles_are_values_that_were_measured(share: float, expected: int) -> None:
    assert quantile(range(1, 101), share) == expected


def results_of(name: str, figures: dict[str, dict[str, float]]) -> Results:
    measurement = Measurement(name, "events", tuple(figures), pods=1, repetitions=1)
    return Results(measurement, {contender: [{**found, "load": 0.0}] for contender, found in figures.items()})


def test_tables_compare_with_kdl_runtime_and_say_which_goals_are_met() -> None:
    rates = {"kdl": 6_000.0, "kopf": 1_000.0, "kdl-whole": 3_000.0}
    bytes_ = {"kdl": 8_192.0, "kdl-projected": 3_072.0, "kopf": 81_920.0, "kdl-whole": 1.0}
    events = {who: {"events_per_cpu_second": rate, "states": 1.0} for who, rate in rates.items()}
    memory = {who: {"bytes_per_object": size, "peak_bytes_per_object": 1.0} for who, size in bytes_.items()}
    results = {"events": results_of("events", events), "memory-10000": results_of("memory-10000", memory)}
    results["memory-10000"].left_out["kdl-whole"] = "needs 9 GB"
    goals, throughput, sizes = tables(results, [])
    assert [row[1:] for row in goals.rows] == [["6.0 times", "yes"], ["8.0 KiB", "no"], ["3.0 KiB", "yes"]]
    assert [row[-1] for row in throughput.rows] == ["1.0", "6.0", "2.0"]
    assert [row[-1] for row in sizes.rows] == ["1.0", "0.4", "10.0", ""]
    assert sizes.rows[-1][1] == "no result: needs 9 GB"


def test_results_are_written_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, [Table("T", ["a", "b"], [["x", "1"]])], "on this")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "### T\n\n| a | b |\n| --- | ---: |\n| x | 1 |" in text
    assert "old" not in text
    page.write_text("no marks")
    with pytest.raises(ValueError, match="lacks the marks"):
        write(page, [], "")
