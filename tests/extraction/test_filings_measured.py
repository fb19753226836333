"""The rules against the headers of real filings, which they do not see, and the arithmetic of the scores.

Few of the recorded filings are 8-Ks with a header, so the intervals are wide: the floors guard what was reached, the
intervals say how little that proves.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.filings_measured import (
    IMPLIED,
    OPEN,
    FilingFinding,
    FilingScores,
    judged_types,
    measure_filings,
    scores_of,
)
from activities.adapters.rules.items import ITEMS
from domain.event_scores import EventScores, TypeScore, score_events
from tests.conftest import shared_data


@lru_cache
def _measured(folder: Path) -> FilingScores:
    return measure_filings(folder)


@pytest.fixture
def scores() -> FilingScores:
    return _measured(shared_data("sec/filings"))


def test_items_of_real_8ks_when_found_in_the_text_then_the_header_lists_them(scores: FilingScores) -> None:
    micro = scores.items.micro
    assert scores.items.documents == 6
    assert micro.recall == 1.0
    assert micro.precision is not None
    assert micro.precision >= 0.88  # one header leaves out the exhibits that its document lists
    assert scores.items.of("5.02").f1 == 1.0
    assert micro.recall_interval.low > 0.6


def test_types_of_real_8ks_when_found_then_the_headers_items_imply_them(scores: FilingScores) -> None:
    assert scores.types.of("management").support == 5
    assert scores.types.micro.precision == 1.0
    assert scores.types.micro.recall == 1.0
    assert scores.types.macro_f1 == 1.0
    assert scores.types.micro.f1_interval.low > 0.7


def test_filers_of_real_filings_when_nobody_labels_them_then_the_text_names_them(scores: FilingScores) -> None:
    found, subject = scores.filers.of("filer"), scores.subjects.of("filer")
    assert found.support >= 50
    assert found.recall is not None
    assert found.recall >= 0.96  # one filing names its company nowhere but in the header
    assert scores.filers.of("another").wrong <= 1
    assert subject.support >= 35
    assert subject.recall == 1.0
    assert scores.subjects.of("another").wrong == 0


def test_real_filings_when_read_then_no_claim_is_refused_and_every_file_is_accounted_for(scores: FilingScores) -> None:
    assert scores.dropped == 0
    assert (scores.read, scores.unread) == (68, 3)  # staff letters that are PDF files
    assert len(scores.findings) == scores.read
    by_form = {finding.form: finding for finding in scores.findings}
    assert by_form["4"].types_found == ("insider_ownership",)
    assert by_form["424B5"].types_found == ("issuance",)
    assert by_form["13F-HR"].types_found == ()


def test_measured_when_a_folder_has_one_filing_then_its_header_is_not_read_by_the_rules(tmp_path: Path) -> None:
    header = (
        "<SEC-DOCUMENT>0000000077-24-000001.txt : 20240501\n<SEC-HEADER>\nACCESSION NUMBER:\t\t0000000077-24-000001\n"
        "CONFORMED SUBMISSION TYPE:\t8-K\nITEM INFORMATION:\t\tBankruptcy or Receivership\n"
        "ITEM INFORMATION:\t\tDeparture of Directors or Certain Officers\nFILED AS OF DATE:\t\t20240501\nFILER:\n"
        "\tCOMPANY DATA:\n\t\tCOMPANY CONFORMED NAME:\t\t\tACME WIDGETS CORP\n\t\tCENTRAL INDEX KEY:\t\t\t0000000077\n"
        "</SEC-HEADER>\n"
    )
    body = (
        "FORM 8-K\nSECURITIES AND EXCHANGE COMMISSION\nAcme Widgets Corp\n(Exact name of registrant)\nItem 5.02 Out\n"
    )
    document = f"<DOCUMENT>\n<TYPE>8-K\n<SEQUENCE>1\n<TEXT>\n{body}A director left.\n</TEXT>\n</DOCUMENT>\n"
    folder = tmp_path / "filings" / "8-K"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text(header + document)
    (folder / "empty.txt").write_text("")
    scores = measure_filings(tmp_path / "filings")
    (finding,) = scores.findings
    assert (finding.items, finding.items_found) == (("1.03", "5.02"), ("5.02",))
    assert (finding.types_expected, finding.types_found) == (("credit_distress", "management"), ("management",))
    assert finding.filers == finding.filers_found == finding.subjects == ("CIK0000000077",)
    assert (scores.types.micro.recall, scores.unread) == (0.5, 1)


@pytest.mark.parametrize(
    ("codes", "found", "expected", "counted"),
    [
        (["5.02", "9.01"], {"management"}, {"management"}, {"management"}),
        (["5.02"], {"management", "earnings"}, {"management"}, {"management", "earnings"}),
        (["2.02", "8.01"], {"earnings", "litigation_firm"}, {"earnings"}, {"earnings"}),
        (["2.02"], {"guidance"}, {"guidance"}, {"guidance"}),
        (["2.02"], {"earnings", "guidance"}, {"earnings"}, {"earnings"}),
        (["1.01"], {"issuance"}, {"issuance"}, {"issuance"}),
        (["1.01"], set(), {"contract"}, set()),
        (["2.02", "7.01"], set(), {"earnings"}, set()),
        (["5.07"], set(), set(), set()),
        (["5.07"], {"management"}, set(), {"management"}),
        (["8.01"], {"recall_safety"}, set(), set()),
    ],
)
def test_types_when_a_header_is_the_judge_then_open_items_neither_confirm_nor_refute(
    codes: list[str], found: set[str], expected: set[str], counted: set[str]
) -> None:
    assert judged_types(codes, found) == (frozenset(expected), frozenset(counted))


def test_items_when_the_rules_know_them_then_the_measure_judges_them() -> None:
    assert set(ITEMS) == {*IMPLIED, *OPEN}
    for code, kinds in IMPLIED.items():
        assert ITEMS[code].type in kinds


def test_scores_when_filings_are_added_up_then_one_of_several_filers_is_enough() -> None:
    both = FilingFinding(name="a", form="S-3", filers=("CIK1", "CIK2"), filers_found=("CIK2",), subjects=("CIK3",))
    unknown = FilingFinding(name="b", form="S-3", filers_found=("CIK9",))
    scores = scores_of([both, both.model_copy(update={"types_found": ("issuance",)}), unknown])
    assert scores.filers.of("filer").recall == 1.0
    assert scores.filers.documents == 2
    assert (scores.subjects.documents, scores.subjects.of("another").wrong) == (1, 1)


# -- scores --------------------------------------------------------------------------------------------------------


def test_score_when_counts_are_given_then_rates_and_intervals_follow() -> None:
    score = TypeScore(type="earnings", right=8, wrong=2, missed=4)
    assert (score.support, score.found) == (12, 10)
    assert score.precision == pytest.approx(0.8)
    assert score.recall == pytest.approx(2 / 3)
    assert score.f1 == pytest.approx(8 / 11)
    assert score.precision_interval.low == pytest.approx(0.4902, abs=1e-4)  # Wilson of 8 of 10
    assert score.precision_interval.high == pytest.approx(0.9433, abs=1e-4)
    assert score.f1_interval.low < 8 / 11 < score.f1_interval.high


def test_score_when_nothing_was_found_or_expected_then_its_rates_are_unknown() -> None:
    empty = score_events([]).of("earnings")
    assert (empty.precision, empty.recall, empty.f1) == (None, None, None)
    assert (empty.precision_interval.low, empty.precision_interval.high) == (0.0, 1.0)
    only_found = TypeScore(type="x", right=0, wrong=1, missed=0)
    assert (only_found.precision, only_found.recall, only_found.f1) == (0.0, None, 0.0)


def test_table_when_documents_are_scored_then_micro_and_macro_average_them() -> None:
    table = score_events([({"a", "b"}, {"a"}), ({"a"}, {"a", "c"}), (set(), set())])
    assert [(row.type, row.right, row.wrong, row.missed) for row in table.rows] == [
        ("a", 2, 0, 0),
        ("b", 0, 0, 1),
        ("c", 0, 1, 0),
    ]
    assert (table.documents, table.exact) == (3, 1)
    assert table.micro.precision == pytest.approx(2 / 3)
    assert table.micro.recall == pytest.approx(2 / 3)
    assert (table.macro_precision, table.macro_recall) == (0.5, 0.5)
    assert table.macro_f1 == pytest.approx(1 / 3)
    assert EventScores.model_validate_json(table.model_dump_json()) == table


_SETS = st.sets(st.sampled_from("abcd"), max_size=4)


@given(st.lists(st.tuples(_SETS, _SETS), max_size=12))
def test_table_when_documents_are_anything_then_rates_lie_within_their_intervals(
    documents: list[tuple[set[str], set[str]]],
) -> None:
    table = score_events(documents)
    for row in (*table.rows, table.micro):
        for rate, interval in (
            (row.precision, row.precision_interval),
            (row.recall, row.recall_interval),
            (row.f1, row.f1_interval),
        ):
            assert 0 <= interval.low <= interval.high <= 1
            assert rate is None or interval.low - 1e-9 <= rate <= interval.high + 1e-9
    assert table.micro.right == sum(len(expected & found) for expected, found in documents)
    assert score_events([(found, found) for _, found in documents]).exact == len(documents)
