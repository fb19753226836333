"""From a source's title and text to the text that quotes are cut from, with sections that stay where they were."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from domain.documents import Section
from domain.parsed import MAXIMUM_CHARACTERS, parsed_text
from domain.text import strip_invisible

PART = st.text(alphabet=st.sampled_from("abc xyz\n.é\u0301\u200b\u202e\xad日"), min_size=1, max_size=30)


def _section(text: str, part: str) -> Section:
    start = text.index(part)
    return Section(heading=part[:5], start=start, end=start + len(part))


def test_sections_when_the_text_is_clean_then_they_move_by_the_title() -> None:
    text = "Item 1. Business\n\nItem 7. Discussion"
    parsed, (business, discussion) = parsed_text(
        "A report", text, [_section(text, "Item 1. Business"), _section(text, "Item 7. Discussion")]
    )
    assert parsed[business.start : business.end] == "Item 1. Business"
    assert parsed[discussion.start : discussion.end] == "Item 7. Discussion"


def test_sections_when_the_text_hides_characters_then_they_follow_what_is_seen() -> None:
    text = "  Item\u200b 1. Busi\u00adness\n\nItem 7. Discussi\u0301on"
    parsed, (first, second) = parsed_text(
        "A\u202e report",
        text,
        [_section(text, "Item\u200b 1. Busi\u00adness"), _section(text, "Item 7. Discussi\u0301on")],
    )
    assert parsed[first.start : first.end] == "Item 1. Business"
    assert parsed[second.start : second.end] == "Item 7. Discussíon"


def test_sections_when_the_text_is_too_long_then_the_end_cuts_them() -> None:
    text = "a" * MAXIMUM_CHARACTERS + "b" * 100
    parsed, sections = parsed_text(
        "T",
        text,
        [Section(start=0, end=10), Section(start=10, end=len(text)), Section(start=len(text) - 5, end=len(text))],
    )
    assert len(parsed) == MAXIMUM_CHARACTERS
    assert [(each.start, each.end) for each in sections] == [(3, 13), (13, MAXIMUM_CHARACTERS)]


@given(st.text(max_size=20), st.lists(PART, min_size=1, max_size=5))
def test_sections_when_anything_stands_in_them_then_they_lie_in_order_within_the_text(
    title: str, parts: list[str]
) -> None:
    text, sections = "", []
    for part in parts:
        sections.append(Section(start=len(text), end=len(text) + len(part)))
        text += part
    parsed, moved = parsed_text(title, text, sections)

    assert parsed == strip_invisible(parsed) == unicodedata.normalize("NFC", parsed)
    position = 0
    for section in moved:
        assert position <= section.start < section.end <= len(parsed)
        position = section.end
