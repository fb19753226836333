"""Searching, showing a document and following it, on a terminal."""

from __future__ import annotations

import pytest

from tests.api.harness import Caller, Platform
from tests.api.library import AS_OF, Library, story
from tests.operate.conftest import Stonks

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def told(platform: Platform) -> str:
    """A document that was read, with what a terminal must not be told."""
    library = Library(platform)
    text = "IBM said profit rose 12 percent, beating expectations. \x1b[31mThe quibbling ended.[/] " + "More. " * 400
    return await library.read(story("IBM profit rises and quibbling ends", text, at=AS_OF, tickers=("IBM",)))


async def test_search_when_found_then_the_piece_that_answers_is_shown(cli: Stonks, api: Caller, told: str) -> None:
    shown = await cli.text("search", "quibbling ended", "--symbol", "ibm")
    assert told in shown
    assert "The quibbling ended." in shown.replace("\n", " ")
    body = await cli.json("search", "quibbling", "--newest", "--from", "2014-07-16", "--to", "2014-07-17")
    assert [each["doc_id"] for each in body["data"]] == [told]
    assert body == {"data": (await api.get("/v1/search", q="quibbling", order="time"))["data"], "has_more": False}
    nothing = await cli("search", "quibblement")
    assert (nothing.code, nothing.out) == (0, "")
    assert "Nothing was found" in nothing.err
    refused = await cli("search", "!!!")
    assert (refused.code, refused.err.split(":")[0]) == (1, "SEARCH_WITHOUT_WORDS")


async def test_document_when_shown_then_its_text_and_what_was_read_stand_there(
    cli: Stonks, api: Caller, told: str
) -> None:
    shown = await cli.text("documents", "show", told)
    assert "IBM profit rises and quibbling ends" in shown
    assert "Read by rules" in shown
    assert "\x1b[31m" not in shown
    assert len(await cli.text("documents", "show", told, "--text")) > len(shown)
    body = await cli.json("documents", "show", told)
    event = body["extractions"][0]["events"][0]
    for quote in event["quotes"]:
        assert body["content"]["text"][quote["start"] : quote["end"]] == quote["quote"]
    detail = await api.get(f"/v1/documents/{told}")
    assert {name: body[name] for name in detail if name != "temporal_url"} == {
        name: value for name, value in detail.items() if name != "temporal_url"
    }
    unknown = await cli("documents", "show", "0" * 24)
    assert (unknown.code, unknown.err.split(":")[0]) == (1, "DOCUMENT_NOT_FOUND")


async def test_lineage_when_shown_then_every_step_names_what_it_came_from(cli: Stonks, api: Caller, told: str) -> None:
    shown = await cli.text("lineage", told)
    for kind in ("run", "document", "extraction", "event", "evidence"):
        assert f"\n{kind}\n" in shown
    assert "from document IBM profit rises" in shown
    assert await cli.json("lineage", told) == await api.get(f"/v1/documents/{told}/lineage")
