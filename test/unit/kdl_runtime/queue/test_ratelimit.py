from kdl_runtime.queue.ratelimit import ItemBackoff


def test_delays_double_from_5_ms_to_1000_s() -> None:
    backoff: ItemBackoff[str] = ItemBackoff()
    delays = [backoff.fail("a", 0.0) for _ in range(20)]
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[-1] == 1000.0
    assert backoff.count("a") == 20
    assert backoff.fail("b", 0.0) == 0.005


def test_forget_begins_anew() -> None:
    backoff: ItemBackoff[str] = ItemBackoff()
    backoff.fail("a", 0.0)
    backoff.forget("a")
    backoff.forget("never failed")
    assert backoff.count("a") == 0
    assert backoff.fail("a", 0.0) == 0.005


def test_keys_that_nobody_forgets_do_not_pile_up() -> None:
    backoff: ItemBackoff[int] = ItemBackoff()
    for number in range(10_000):
        backoff.fail(number, float(number))
    assert len(backoff) <= 2002
    assert backoff.count(0) == 0
    assert backoff.count(9_999) == 1
