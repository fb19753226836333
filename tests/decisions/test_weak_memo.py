"""Values remembered with an object, and forgotten with it."""

from __future__ import annotations

import gc
from datetime import timedelta

from domain.weak_memo import WeakMemo


class Word:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


def test_memo_when_an_object_is_asked_of_twice_then_it_is_computed_once() -> None:
    seen: list[str] = []

    def compute(word: Word) -> str:
        seen.append(word.text)
        return word.text.upper()

    upper = WeakMemo(compute)
    one = Word("one")
    assert [upper(one), upper(one)] == ["ONE", "ONE"]
    assert seen == ["one"]


def test_memo_when_two_objects_are_equal_then_each_has_its_own_value() -> None:
    upper: WeakMemo[Word, str] = WeakMemo(lambda word: word.text.upper())
    one, other = Word("one"), Word("other")
    assert (upper(one), upper(other)) == ("ONE", "OTHER")


def test_memo_when_an_object_is_gone_then_so_is_its_value() -> None:
    upper: WeakMemo[Word, str] = WeakMemo(lambda word: word.text.upper())
    for number in range(1_000):
        assert upper(Word(str(number))) == str(number)
    gc.collect()
    assert len(upper) == 0


def test_memo_when_an_id_is_used_again_then_the_value_is_of_the_living_object() -> None:
    ages: WeakMemo[Word, timedelta] = WeakMemo(lambda word: timedelta(days=int(word.text)))
    for number in range(200):
        word = Word(str(number))
        assert ages(word) == timedelta(days=number)
        del word
