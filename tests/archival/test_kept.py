"""What recall keeps in memory: never newer than the reader, never more than its bytes, the last used stay."""

import threading
from dataclasses import dataclass

import pytest

from agentmem.archival.index.cache import LRUCache


@dataclass(frozen=True)
class Known:
    """Something of a size, as of a change."""

    seq: int
    bytes: int = 1


def test_a_value_is_given_to_a_reader_of_its_time_or_later_and_to_none_before():
    kept = LRUCache(10)
    value = Known(seq=5)
    kept.put("a", value)
    assert kept.get("a", seq=5) is kept.get("a", seq=9) is value
    assert kept.get("a", seq=4) is None
    assert kept.get("b", seq=9) is None
    assert kept.get("a", seq=5) is value


def test_an_older_value_never_takes_the_place_of_a_newer_one():
    kept = LRUCache(10)
    newer = Known(seq=5)
    kept.put("a", newer)
    kept.put("a", Known(seq=4))
    assert kept.get("a", seq=9) is newer
    kept.put("a", again := Known(seq=5))
    assert kept.get("a", seq=9) is again


def test_the_least_recently_used_goes_first_when_the_bytes_are_too_many():
    kept = LRUCache(3)
    for key in "abc":
        kept.put(key, Known(seq=1))
    kept.get("a", seq=1)
    kept.put("d", Known(seq=1))
    assert [key for key in "abcd" if kept.get(key, seq=1)] == ["a", "c", "d"]
    kept.put("e", Known(seq=1, bytes=2))
    assert [key for key in "abcde" if kept.get(key, seq=1)] == ["d", "e"]


def test_a_reader_from_before_does_not_keep_a_value_from_going():
    kept = LRUCache(2)
    kept.put("a", Known(seq=5))
    kept.put("b", Known(seq=1))
    kept.get("a", seq=1)
    kept.put("c", Known(seq=1))
    assert kept.get("a", seq=9) is None


@pytest.mark.parametrize("size", [4, 100])
def test_what_is_larger_than_all_of_it_is_not_kept(size):
    kept = LRUCache(3)
    kept.put("a", Known(seq=1, bytes=size))
    assert kept.get("a", seq=1) is None
    kept.put("b", Known(seq=1, bytes=3))
    assert kept.get("b", seq=1)


def test_a_value_that_grows_in_its_place_is_counted_once():
    kept = LRUCache(10)
    kept.put("a", Known(seq=1, bytes=4))
    for seq in range(2, 50):
        kept.put("b", Known(seq=seq, bytes=6))
    assert kept.get("a", seq=1)
    kept.put("b", Known(seq=50, bytes=7))
    assert kept.get("a", seq=1) is None
    assert kept.get("b", seq=50)


def test_threads_may_share_it():
    kept, failures = LRUCache(20), []

    def use(number):
        try:
            for turn in range(2_000):
                key = (number * 7 + turn) % 40
                kept.put(key, Known(seq=turn, bytes=1 + turn % 3))
                found = kept.get(key, seq=turn)
                assert found is None or found.seq <= turn
        except Exception as error:  # noqa: BLE001 - reported by the test, as a thread cannot
            failures.append(error)

    threads = [threading.Thread(target=use, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    left = [value for key in range(40) if (value := kept.get(key, seq=2_000))]
    assert 0 < sum(value.bytes for value in left) <= 20
