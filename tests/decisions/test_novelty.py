from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.novelty import novelty, shingles

from .builders import PROPERTY, evidence_lists, item

CONFIG = SignalConfig()
DAY = 24 * 60


def test_shingles_when_text_is_known_then_hashes_are_stable() -> None:
    assert shingles("Acme raised its full-year guidance") == shingles("ACME  raised its, full year — guidance!")
    assert shingles("one two three four five") == (2_237_958_103_129_565_683,)


@pytest.mark.parametrize(("words", "count"), [(0, 0), (1, 1), (4, 1), (5, 1), (6, 2), (50, 46)])
def test_shingles_when_text_has_n_words_then_there_is_one_for_every_run_of_five(words: int, count: int) -> None:
    assert len(shingles(" ".join(f"w{n}" for n in range(words)))) == count


@given(st.text(max_size=200))
def test_shingles_when_text_is_anything_then_they_ascend_in_63_bits(text: str) -> None:
    found = shingles(text)
    assert list(found) == sorted(set(found))
    assert all(0 <= shingle < 2**63 for shingle in found)


def pair(shared: int, only_second: int, *, apart_minutes: float) -> list[EvidenceItem]:
    first = item("a", minutes_ago=apart_minutes, shingles=tuple(range(shared)))
    return [first, item("b", shingles=tuple(range(shared + only_second)))]


@pytest.mark.parametrize(
    ("shared", "extra", "new", "counts"),
    [(79, 21, 0.21, True), (80, 20, 0.20, False), (81, 19, 0.19, False), (100, 0, 0.0, False)],
)
def test_novelty_when_similarity_is_around_the_limit_then_copies_stop_counting_at_it(
    shared: int, extra: int, new: float, counts: bool
) -> None:
    first, second = novelty(pair(shared, extra, apart_minutes=60), CONFIG)
    assert first == (1.0, True)
    assert second == (pytest.approx(new), counts)


@pytest.mark.parametrize(("minutes", "counts"), [(7 * DAY - 1, False), (7 * DAY, False), (7 * DAY + 1, True)])
def test_novelty_when_copy_is_around_seven_days_younger_then_it_is_new_after_them(minutes: int, counts: bool) -> None:
    assert novelty(pair(10, 0, apart_minutes=minutes), CONFIG)[1][1] is counts


def test_novelty_when_same_instant_then_document_id_decides() -> None:
    later, first = item("z", shingles=(1, 2)), item("a", shingles=(1, 2))
    assert novelty([later, first], CONFIG) == [(0.0, False), (1.0, True)]


def test_novelty_when_ten_other_stories_lie_between_then_the_story_is_forgotten() -> None:
    first = item("a", minutes_ago=100, shingles=(1, 2, 3))
    copy = item("c", shingles=(1, 2, 3))
    between = [item(f"b{n}", minutes_ago=50 - n, shingles=(100 + n,)) for n in range(10)]
    assert novelty([first, *between[:9], copy], CONFIG)[-1] == (0.0, False)
    assert novelty([first, *between, copy], CONFIG)[-1] == (1.0, True)


def test_novelty_when_items_come_from_one_document_then_they_do_not_compare_with_each_other() -> None:
    both = [item("a", shingles=(1, 2)), item("b", doc_id="doc-a", shingles=(1, 2))]
    assert novelty(both, CONFIG) == [(1.0, True), (1.0, True)]


def test_novelty_when_symbols_differ_then_documents_do_not_compare() -> None:
    both = [item("a", shingles=(1, 2)), item("b", symbol="OTHR", shingles=(1, 2))]
    assert novelty(both, CONFIG) == [(1.0, True), (1.0, True)]


def test_novelty_when_there_are_no_shingles_then_the_document_is_new() -> None:
    assert novelty([item("a"), item("b")], CONFIG) == [(1.0, True), (1.0, True)]


@PROPERTY
@given(evidence_lists(), st.randoms(use_true_random=False))
def test_novelty_when_items_are_reordered_then_each_keeps_its_own(items: list[EvidenceItem], random: object) -> None:
    expected = dict(zip((one.evidence_id for one in items), novelty(items, CONFIG), strict=True))
    shuffled = sorted(items, key=lambda one: random.random())  # type: ignore[attr-defined]
    assert dict(zip((one.evidence_id for one in shuffled), novelty(shuffled, CONFIG), strict=True)) == expected
    assert all(0.0 <= new <= 1.0 for new, _ in expected.values())


@PROPERTY
@given(evidence_lists(), st.data())
def test_novelty_when_a_copy_is_added_then_no_other_document_changes(
    items: list[EvidenceItem], data: st.DataObject
) -> None:
    told = [one for one, (_, counts) in zip(items, novelty(items, CONFIG), strict=True) if counts and one.shingles]
    if not told:
        return
    original = data.draw(st.sampled_from(told))
    whole = tuple(sorted({shingle for one in items if one.doc_id == original.doc_id for shingle in one.shingles}))
    first = min(one.available_at for one in items if one.doc_id == original.doc_id)
    best = max((one.credibility for one in items if one.doc_id == original.doc_id), key=CONFIG.credibility.__getitem__)
    lesser = [each for each in Credibility if CONFIG.credibility[each] < CONFIG.credibility[best]]
    as_credible = data.draw(st.sampled_from([best, *lesser]))
    minutes = 1 if as_credible is best else data.draw(st.sampled_from([-1, 0, 1]))
    copy = item(
        "copy",
        available_at=first + timedelta(minutes=minutes),
        doc_id="zz-copy",
        shingles=whole,
        credibility=as_credible,
        publisher="copyist",
    )
    with_copy = novelty([*items, copy], CONFIG)
    assert with_copy[:-1] == novelty(items, CONFIG)
    assert with_copy[-1] == (0.0, False)


WORDS = tuple(range(100))


def test_novelty_when_a_better_one_tells_it_later_then_the_story_counts_with_the_better_one() -> None:
    copied = item("a", minutes_ago=60, shingles=WORDS, credibility=Credibility.UNKNOWN)
    told = item("b", shingles=WORDS[:90], credibility=Credibility.WIRE)
    again = item("c", shingles=WORDS, credibility=Credibility.WIRE)
    assert novelty([copied], CONFIG) == [(1.0, True)]
    assert novelty([copied, told], CONFIG) == [(pytest.approx(0.1), False), (1.0, True)]
    assert novelty([copied, told, again], CONFIG) == [
        (pytest.approx(0.1), False),
        (1.0, True),
        (pytest.approx(0.1), False),
    ]


def test_novelty_when_a_poor_site_told_half_of_it_first_then_the_better_one_loses_nothing() -> None:
    first = item("a", minutes_ago=60, shingles=WORDS, credibility=Credibility.UNKNOWN)
    wire = item("b", shingles=tuple(range(50, 150)), credibility=Credibility.WIRE)
    assert novelty([first, wire], CONFIG) == [(pytest.approx(2 / 3), True), (1.0, True)]


@pytest.mark.parametrize(("days", "counts"), [(7, False), (8, True)])
def test_novelty_when_a_better_one_tells_it_much_later_then_both_count(days: int, counts: bool) -> None:
    first = item("a", minutes_ago=days * DAY, shingles=WORDS, credibility=Credibility.UNKNOWN)
    assert novelty([first, item("b", shingles=WORDS)], CONFIG) == [(float(counts), counts), (1.0, True)]


def test_novelty_when_others_tell_ever_so_much_then_no_story_of_a_site_is_forgotten() -> None:
    first = item("a", minutes_ago=100, shingles=WORDS)
    padding = [item(f"b{n}", minutes_ago=50 - n, shingles=(1_000 + n,), publisher="padder") for n in range(40)]
    assert novelty([first, *padding, item("c", shingles=WORDS, publisher="padder")], CONFIG)[-1] == (0.0, False)


def test_novelty_when_a_wire_goes_on_telling_then_what_it_told_after_a_copy_stays_told() -> None:
    copy = item("copy", minutes_ago=100, shingles=WORDS, credibility=Credibility.UNKNOWN, publisher="copyist")
    stories = [
        item(
            f"w{n}", minutes_ago=90 - n, shingles=tuple(range(n * 1_000, n * 1_000 + 100)), credibility=Credibility.WIRE
        )
        for n in range(30)
    ]
    assert novelty([copy, *stories], CONFIG) == [(0.0, False), *[(1.0, True)] * 30]


@PROPERTY
@given(evidence_lists(max_size=11))
def test_novelty_when_compared_with_the_plain_rule_then_it_agrees(items: list[EvidenceItem]) -> None:
    """All pairs, without an index: lists this short have no more than ten stories of a site beside one."""
    documents: dict[str, list[EvidenceItem]] = {}
    for one in items:
        documents.setdefault(one.doc_id, []).append(one)
    known = sorted(
        (
            -max(CONFIG.credibility[one.credibility] for one in own),
            min(one.available_at for one in own),
            doc_id,
            {shingle for one in own for shingle in one.shingles},
        )
        for doc_id, own in documents.items()
    )
    expected: dict[str, tuple[float, bool]] = {}
    stories: list[tuple[object, set[int]]] = []
    for _, at, doc_id, words in known:
        near = [told for when, told in stories if abs(when - at) <= timedelta(days=7)]  # type: ignore[operator]
        most = max((len(words & told) / len(words | told) for told in near if words | told), default=0.0)
        expected[doc_id] = (1.0 - most, most < 0.8)
        if most < 0.8:
            stories.append((at, words))
    assert novelty(items, CONFIG) == [expected[one.doc_id] for one in items]


def test_novelty_when_one_story_is_copied_often_then_others_are_not_forgotten() -> None:
    first, other = item("a", minutes_ago=100, shingles=(1, 2, 3)), item("b", minutes_ago=90, shingles=(7, 8, 9))
    copies = [item(f"c{n}", minutes_ago=80 - n, shingles=(7, 8, 9)) for n in range(12)]
    found = novelty([first, other, *copies, item("z", shingles=(1, 2, 3))], CONFIG)
    assert found == [(1.0, True), (1.0, True), *[(0.0, False)] * 13]
