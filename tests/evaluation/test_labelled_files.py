"""Labelled sentences from files: what is read, and what an error tells about a row that is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.labelled import read_fiqa, read_fomc, read_own, read_phrase_bank, read_semeval
from activities.adapters.labelled.values import sign_label
from domain.errors import InvalidInput, SourceFormatError
from domain.evaluation import STANCE_LABELS, LabelledSentence
from tests.conftest import shared_data

Reader = Callable[[Path], Iterator[LabelledSentence]]


def written(tmp_path: Path, text: str, name: str = "labelled.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def posts(tmp_path: Path, value: Any) -> Path:
    return written(tmp_path, json.dumps(value), "posts.json")


def post(*targets: dict[str, Any], sentence: str = "A rises, B falls") -> dict[str, Any]:
    return {"1": {"sentence": sentence, "info": list(targets)}}


# -- what is read --------------------------------------------------------------------------------------------------


def test_phrase_bank_when_an_agreement_is_asked_for_then_only_such_rows_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'sentence,label,min_agreement_pct\n"Sales, in all, rose .",positive,100\nNothing .,neutral,50\n',
    )
    assert [each.label for each in read_phrase_bank(path)] == ["positive", "neutral"]
    (only,) = read_phrase_bank(path, min_agreement_pct=66)
    assert (only.text, only.split_key, only.company) == ("Sales, in all, rose .", "Sales, in all, rose .", None)


def test_semeval_when_scores_are_read_then_their_sign_is_the_label(tmp_path: Path) -> None:
    rows = "".join(f"{n},Acme,Headline {n},{score}\n" for n, score in enumerate((0.5, 0.1, -0.1, -0.11, 0)))
    path = written(tmp_path, "id,company,headline,score\n" + rows)
    assert [each.label for each in read_semeval(path)] == ["positive", "neutral", "neutral", "negative", "neutral"]
    assert [each.label for each in read_semeval(path, neutral_band=0)][:3] == ["positive", "positive", "negative"]
    assert {each.company for each in read_semeval(path)} == {"Acme"}


@pytest.mark.parametrize(
    ("score", "label"), [(0.1, "neutral"), (0.1001, "positive"), (-0.1, "neutral"), (-0.1001, "negative")]
)
def test_sign_when_the_score_lies_at_the_band_then_the_edge_is_neutral(score: float, label: str) -> None:
    assert sign_label(score) == label


def test_fiqa_when_a_post_has_several_targets_then_each_is_a_row_of_the_same_half(tmp_path: Path) -> None:
    path = posts(
        tmp_path,
        post({"target": "A", "sentiment_score": "0.7"}, {"target": "B", "sentiment_score": -0.4}),
    )
    first, second = read_fiqa(path)
    assert (first.company, first.label, second.company, second.label) == ("A", "positive", "B", "negative")
    assert first.split_key == second.split_key == first.text


def test_fomc_when_read_then_labels_are_stances(tmp_path: Path) -> None:
    path = written(tmp_path, "sentence,label,year\nRates may rise.,Hawkish,2004\n")
    assert [each.label for each in read_fomc(path)] == ["hawkish"]


def test_own_file_when_it_names_symbols_then_they_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffText,LABEL,symbol\r\nGood news,positive,ACME\r\n\r\nNothing,neutral,\r\n")
    assert [(each.text, each.label, each.company) for each in read_own(path)] == [
        ("Good news", "positive", "ACME"),
        ("Nothing", "neutral", None),
    ]


def test_own_file_when_it_is_about_policy_then_stances_are_its_labels(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label\nRates may rise.,hawkish\n")
    assert [each.label for each in read_own(path, labels=STANCE_LABELS)] == ["hawkish"]
    with pytest.raises(InvalidInput):
        list(read_own(path))


# -- what an error tells -------------------------------------------------------------------------------------------


def test_row_when_a_label_is_unknown_then_file_line_field_value_and_what_is_allowed_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, 'text,label\n"two\nlines",neutral\nFine,bullish\n')
    with pytest.raises(InvalidInput) as caught:
        list(read_own(path))
    assert caught.value.code == "LABELLED_ROW_INVALID"
    assert caught.value.fields == {
        "path": path,
        "line": 4,
        "field": "label",
        "found": "'bullish'",
        "allowed": "negative | neutral | positive",
    }


@pytest.mark.parametrize(
    ("reader", "text", "field", "allowed"),
    [
        (read_own, "text,label\n  ,neutral\n", "text", "a text"),
        (read_semeval, "id,company,headline,score\n1,A,H,1.2\n", "score", "a number from -1 to 1"),
        (read_semeval, "id,company,headline,score\n1,A,H,nan\n", "score", "a number from -1 to 1"),
        (read_semeval, "id,company,headline,score\n1,A,H,up\n", "score", "a number from -1 to 1"),
        (read_semeval, "id,company,headline,score\n1,,H,0.2\n", "company", "a text"),
        (
            read_phrase_bank,
            "sentence,label,min_agreement_pct\nS,neutral,most\n",
            "min_agreement_pct",
            "a number from 0 to 100",
        ),
        (read_fomc, "sentence,label\nS,positive\n", "label", "dovish | neutral | hawkish"),
    ],
)
def test_row_when_a_value_is_not_allowed_then_the_error_says_what_is(
    reader: Reader, text: str, field: str, allowed: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(reader(written(tmp_path, text)))
    assert (caught.value.fields["line"], caught.value.fields["field"]) == (2, field)
    assert caught.value.fields["allowed"] == allowed


def test_row_when_a_value_is_very_long_then_the_message_stays_short(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_own(written(tmp_path, f"text,label\nFine,{'x' * 5000}\n")))
    assert len(caught.value.fields["found"]) < 80


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "SOURCE_COLUMNS_UNKNOWN", 1),
        (b"sentence;label\nS;neutral\n", "SOURCE_COLUMNS_UNKNOWN", 1),
        (b"text,label\nGood, really,positive\n", "ROW_LENGTH_WRONG", 2),
        (b'text,label\n"never closed,neutral\n', "SOURCE_NOT_READABLE", 2),
    ],
)
def test_file_when_it_is_no_such_table_then_the_line_is_named(
    content: bytes, code: str, line: int, tmp_path: Path
) -> None:
    path = tmp_path / "labelled.csv"
    path.write_bytes(content)
    with pytest.raises(SourceFormatError) as caught:
        list(read_own(path))
    assert (caught.value.code, caught.value.fields["line"], caught.value.fields["path"]) == (code, line, path)


@pytest.mark.parametrize("reader", [read_own, read_fomc, read_semeval, read_phrase_bank, read_fiqa])
def test_file_when_it_is_missing_or_not_utf8_then_the_error_says_so(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(SourceFormatError, match="SOURCE_NOT_FOUND"):
        list(reader(tmp_path / "absent.csv"))
    with pytest.raises(SourceFormatError, match="found=a folder"):
        list(reader(tmp_path))
    latin = tmp_path / "latin.csv"
    latin.write_bytes("text,label\nBörse,neutral\n".encode("latin-1"))
    with pytest.raises(SourceFormatError, match="SOURCE_NOT_UTF8"):
        list(reader(latin))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"1": []}, "post"),
        ({"1": {"info": []}}, "sentence"),
        ({"1": {"sentence": "S", "info": []}}, "info"),
        (post([]), "info[0]"),  # type: ignore[arg-type]
        (post({"sentiment_score": "0.1"}), "info[0].target"),
        (post({"target": "A", "sentiment_score": "0.1"}, {"target": "B"}), "info[1].sentiment_score"),
        (post({"target": "A", "sentiment_score": True}), "info[0].sentiment_score"),
        (post({"target": "A", "sentiment_score": "7"}), "info[0].sentiment_score"),
    ],
)
def test_post_when_a_value_is_not_allowed_then_post_and_field_are_named(value: Any, field: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_fiqa(posts(tmp_path, value)))
    assert (caught.value.fields["post"], caught.value.fields["field"]) == ("1", field)


@pytest.mark.parametrize("text", ["[]", "{", '{"1": '])
def test_posts_when_they_are_no_object_then_the_file_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SourceFormatError, match="SOURCE_NOT_READABLE"):
        list(read_fiqa(written(tmp_path, text, "posts.json")))


# -- the real files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "name", "count"),
    [
        (read_phrase_bank, "financial_phrasebank_dev.csv", 2893),
        (read_semeval, "semeval2017_task5_headlines_dev.csv", 694),
        (read_fiqa, "fiqa_2018_posts.json", 675),
        (read_fomc, "fomc_hawkish_dovish_train.csv", 1984),
    ],
)
def test_file_when_it_is_the_real_one_then_every_row_is_read(reader: Reader, name: str, count: int) -> None:
    assert sum(1 for _ in reader(shared_data(f"sentiment/{name}"))) == count
