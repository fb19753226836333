"""What pages say of values: pure functions, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import html

from api.dashboard import formats, highlights, nested, notices
from api.dashboard.client import ApiProblem, at
from api.dashboard.pages import safe_path
from api.dashboard.refusals import Refusal
from api.dashboard.routes.backtests import equity
from api.dashboard.routes.dead_letters import grouped
from api.dashboard.routes.inbox import barred
from api.dashboard.routes.welcome import source_config
from api.dashboard.sessions import Person, Session
from api.dashboard.stories import story, waterfall_rows
from domain.actors import BOOTSTRAP_ACTOR, SIGNAL_ACTOR, spoken

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
MINUS = "\N{MINUS SIGN}"


def text(value: object) -> str:
    """Without markup."""
    return str(html.fragment_fromstring(str(value), create_parent=True).text_content())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("12345.678", "$12,345.68"),
        ("-0.5", f"{MINUS}$0.50"),
        ("0", "$0.00"),
        (None, "–"),
        ("", "–"),
        ("nonsense", "–"),
        ("NaN", "–"),
        (True, "–"),
    ],
)
def test_money_when_unknown_then_it_is_a_dash_and_no_zero(value: Any, shown: str) -> None:
    assert text(formats.money(value)) == shown


@pytest.mark.parametrize(("value", "kind", "sign"), [("1", "up", "+"), ("-1", "down", MINUS), ("0", "flat", "")])
def test_signed_money_when_it_has_a_direction_then_colour_sign_and_shape_say_it(
    value: str, kind: str, sign: str
) -> None:
    shown = str(formats.signed_money(value))
    assert f'class="{kind}"' in shown
    assert f"{sign}$" in shown
    assert ("shape" in shown) == (kind != "flat")


def test_percent_when_given_a_fraction_then_it_is_of_a_hundred() -> None:
    assert formats.percent("0.1234") == "12.3 %"
    assert text(formats.signed_percent("-0.01")) == f"▼{MINUS}1.00 %"


def test_instant_when_shown_then_it_is_utc_and_new_york_on_hovering() -> None:
    shown = str(formats.instant("2014-07-25T09:00:00-04:00"))
    assert "25 Jul 2014 13:00 UTC" in shown
    assert "09:00 in New York" in shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h"), (4e5, "4 d")],
)
def test_span_when_long_then_in_larger_units(seconds: float, shown: str) -> None:
    assert formats.span(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (">= 5000000", "≥ 5,000,000"),
        ("290045033.550", "290,045,033.55"),
        ("quantity=100.000000000, price=78.740000", "quantity=100, price=78.74"),
        ("never held", "never held"),
        ("78.841 to 82.059", "78.841 to 82.059"),
        ("2014-07-25", "2014-07-25"),
        ("7b5859d3454f", "7b5859d3454f"),
    ],
)
def test_bound_when_shown_then_numbers_are_readable_and_words_untouched(value: str, shown: str) -> None:
    assert formats.bound(value) == shown


@pytest.mark.parametrize(
    "path", ["", "//evil.test", "https://evil.test", "/\\evil.test", "javascript:x", "/a\nb", "evil", "/\t/evil.test"]
)
def test_safe_path_when_it_leads_elsewhere_then_it_is_the_first_page(path: str) -> None:
    assert safe_path(path) == "/"


def test_safe_path_when_it_is_ours_then_it_stays() -> None:
    assert safe_path("/decisions?symbol=A&action=buy") == "/decisions?symbol=A&action=buy"


def test_address_when_a_value_has_slashes_then_it_stays_within_its_place() -> None:
    assert at("/v1/orders/{}/cancel", "../../session?x=1#y") == "/v1/orders/..%2F..%2Fsession%3Fx%3D1%23y/cancel"


def test_notice_when_the_name_is_not_ours_then_nothing_is_said() -> None:
    assert notices.text("approved")
    assert notices.text("<b>call this number</b>") == ""


def test_pieces_when_quotes_overlap_then_the_text_stays_whole_and_both_begin() -> None:
    whole = "Profit rose by half, and the dividend was cut."
    quotes = [highlights.Quote(0, 19, "a"), highlights.Quote(12, 45, "b"), highlights.Quote(40, 900, "past the end")]
    found = highlights.pieces(whole, quotes)
    assert "".join(piece.text for piece in found) == whole
    assert [(piece.text, piece.anchors) for piece in found if piece.quotes] == [
        ("Profit rose ", ("a",)),
        ("by half", ("b",)),
        (", and the dividend was cut", ()),
    ]


def test_pieces_when_nothing_is_quoted_then_the_text_is_one_piece() -> None:
    assert highlights.pieces("plain", []) == [highlights.Piece("plain")]
    assert highlights.pieces("", []) == []


def test_located_when_the_words_do_not_stand_there_then_nothing_is_marked() -> None:
    assert highlights.located("Sales fell", "Sales rose") is None
    assert highlights.located("Sales fell", "") is None
    assert highlights.located("a b a b", "a b", hint=2) == highlights.Quote(4, 7)


def test_changes_when_nested_then_they_are_as_the_configuration_is() -> None:
    lines = "limits.name_cap = 0.04\n\n# no more\nsignals.kappa = 2\ntier = moderate\nsignals.macro_enabled=false"
    assert nested.changes(lines) == {
        "limits": {"name_cap": "0.04"},
        "signals": {"kappa": 2, "macro_enabled": False},
        "tier": "moderate",
    }


@pytest.mark.parametrize("line", ["limits.name_cap", "limits..x = 1", "= 3", "a b = 1", "x ="])
def test_changes_when_a_line_is_none_then_it_is_named(line: str) -> None:
    with pytest.raises(ApiProblem, match="CHANGE_INVALID: line=2"):
        nested.changes(f"tier = moderate\n{line}")


def test_changes_when_a_value_has_parts_too_then_it_is_refused() -> None:
    with pytest.raises(ApiProblem, match="no value and a part at once"):
        nested.changes("limits = 3\nlimits.name_cap = 1")


def test_differences_when_configurations_differ_then_only_those_paths_are_told() -> None:
    rows = nested.differences([{"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": True}])
    assert rows == [{"path": "a.c", "values": ["2", "3"]}, {"path": "d", "values": ["absent", "true"]}]


def test_source_config_when_the_kind_has_another_field_then_the_address_goes_there() -> None:
    assert source_config("feed", "https://a.test", "") == {"kind": "feed", "url": "https://a.test"}
    assert source_config("page", "https://a.test", "") == {"kind": "page", "urls": ["https://a.test"]}
    assert source_config("file", "news.csv", '{"publisher": "W"}') == {
        "kind": "file",
        "publisher": "W",
        "path": "news.csv",
    }
    with pytest.raises(ApiProblem, match="SETTINGS_INVALID"):
        source_config("feed", "", "[1]")


def test_grouped_when_letters_share_stage_and_error_then_the_largest_group_is_first() -> None:
    rows = [{"stage": "a", "error_type": "X"}, {"stage": "b", "error_type": "Y"}, {"stage": "b", "error_type": "Y"}]
    assert [(each["stage"], len(each["rows"])) for each in grouped(rows)] == [("b", 2), ("a", 1)]


def session(*scopes: str, name: str = "anna") -> Session:
    return Session(person=Person(person_id=name, name=name), scopes=frozenset(scopes), csrf_token="t")


def question(**changes: Any) -> dict[str, Any]:
    return {"status": "pending", "solo": False, "proposers": ["engine"], "votes": [], **changes}


@pytest.mark.parametrize(
    ("one", "who", "why"),
    [
        (question(), session("approve"), ""),
        (question(), session("read"), "no right"),
        (question(status="expired"), session("approve"), "expired already"),
        (question(proposers=["engine", "api:anna/3f2a"]), session("approve"), "another person must"),
        (question(proposers=["session:anna/3f2a"]), session("approve"), "another person must"),
        (question(proposers=["api:anna/3f2a"], solo=True), session("approve"), ""),
        (question(proposers=["api:annabel/3f2a"]), session("approve"), ""),
        (question(votes=[{"actor": "session:anna/1"}]), session("approve"), "voted already"),
    ],
)
def test_approval_when_this_person_may_not_give_it_then_the_page_says_why(
    one: dict[str, Any], who: Session, why: str
) -> None:
    assert why in barred(one, who) if why else barred(one, who) == ""


def explanation(**changes: Any) -> dict[str, Any]:
    evidence = [
        {"title": "Profit up", "doc_id": "d1", "publisher": "Wire", "nano": 200_000_000},
        {"title": "Costs up", "doc_id": "d2", "publisher": "", "nano": -50_000_000},
    ]
    values: dict[str, Any] = {
        "symbol": "ABC",
        "action": "buy",
        "previous_action": "none",
        "score": {"nano": 160_000_000, "conviction": 0.16},
        "layers": [{"layer": "company", "nano": 150_000_000, "score": 0.25, "weight": 0.6, "evidence": evidence}],
        "market": {"nano": 10_000_000, "confirmation": 0.1, "trend": 0, "daily_volatility": 0.01, "last_close": 50.0},
        "gates": [{"name": "score", "passed": True}, {"name": "cool_down", "passed": False}],
        "intents": [],
    }
    return {**values, **changes}


def test_story_when_a_gate_failed_then_it_is_named_and_no_order_followed() -> None:
    told = " ".join(story(explanation()))
    assert "Buy ABC (before: none)" in told
    assert "1 for it and 1 against" in told
    assert "Profit up" in told
    assert "1 gate of 2 did not pass: cool down." in told
    assert "No order followed." in told


def test_story_when_nothing_was_read_then_it_says_so() -> None:
    told = story(
        explanation(layers=[{"layer": "company", "nano": 0, "score": 0, "weight": 0.6, "evidence": []}], gates=[])
    )
    assert "Nothing that was read speaks for or against it." in told


def test_story_when_it_waits_for_a_person_then_size_and_share_are_told() -> None:
    intent = {
        "side": "buy",
        "quantity": "100",
        "notional": "5000",
        "clamps": [{"name": "name_cap", "passed": False}],
        "risk": {"outcome": "allow", "allowed_quantity": "80"},
        "approval": {"status": "pending", "decided_by": ""},
        "order": None,
        "state": "open",
    }
    told = " ".join(story(explanation(intents=[intent]), "100000"))
    assert "100 shares for $5,000.00, 5.0 % of equity, cut by name cap." in told
    assert "Risk allowed 80 of them." in told
    assert "It waits for a person." in told


def test_waterfall_when_drawn_then_its_rows_add_up_to_the_score() -> None:
    rows = waterfall_rows(explanation())
    assert [row.kind for row in rows] == ["document", "document", "market", "score"]
    assert sum(row.nano for row in rows if row.kind != "score") == rows[-1].nano


def test_waterfall_when_more_is_read_than_is_shown_then_the_rest_is_one_row_and_it_still_adds_up() -> None:
    evidence = [{"title": f"t{n}", "doc_id": f"d{n}", "publisher": "W", "nano": 10_000_000} for n in range(20)]
    layer = {"layer": "company", "nano": 200_000_000, "score": 0.3, "weight": 0.6, "evidence": evidence}
    rows = waterfall_rows(explanation(layers=[layer], score={"nano": 210_000_000, "conviction": 0.2}))
    assert rows[12].label == "8 further statements"
    assert sum(row.nano for row in rows if row.kind != "score") == rows[-1].nano


def test_backtest_when_drawn_then_its_line_ends_at_its_return() -> None:
    track = {"name": "strategy", "equity": ["100", "90", "110"]}
    report = {"sessions": ["2026-03-02", "2026-03-03"], "strategy": track, "benchmarks": []}
    told = html.fragment_fromstring(str(equity(report))).xpath("//g[@class='hover']//title/text()")
    assert [each.rpartition(" strategy ")[2] for each in told] == [f"{MINUS}10.0 %", "+10.0 %"]


def test_ago_when_nothing_is_known_then_it_is_a_dash() -> None:
    assert formats.ago((NOW - timedelta(minutes=3)).isoformat(), NOW) == "3 min ago"
    assert text(formats.ago(None, NOW)) == "–"


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Use `stonks pause` now", "Use <code>stonks pause</code> now"),
        ("`<b>` and <b>", "<code>&lt;b&gt;</code> and &lt;b&gt;"),
        ("not `closed <", "not `closed &lt;"),
        (None, ""),
    ],
)
def test_ticked_when_a_command_stands_between_backticks_then_it_is_code_and_all_else_is_text(
    sentence: Any, shown: str
) -> None:
    assert str(formats.ticked(sentence)) == shown


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        (
            "SCORE_TOO_LOW: value=-0.2, limit=>= 0.25",
            ("SCORE_TOO_LOW", "value=-0.2, limit \N{GREATER-THAN OR EQUAL TO} 0.25"),
        ),
        ("ABOVE_EXIT_SCORE: limit=> 0.05", ("ABOVE_EXIT_SCORE", "limit > 0.05")),
        ("plain words: limit=>= 1", ("", "plain words: limit=>= 1")),
    ],
)
def test_reason_when_it_names_a_limit_then_the_comparison_is_one_sign(reason: str, found: tuple[str, str]) -> None:
    assert formats.code_and_rest(reason) == found


def test_lasted_when_one_end_is_unknown_then_it_is_a_dash() -> None:
    began, ended = "2026-03-02T15:00:00Z", "2026-03-02T15:12:30Z"
    assert formats.lasted(ended, began) == "12 min"
    assert text(formats.lasted(None, began)) == "–"
    assert (formats.is_past(began, NOW), formats.is_past(ended, NOW), formats.is_past(None, NOW)) == (
        True,
        False,
        False,
    )


def test_refusal_when_the_api_names_fields_then_each_stands_beside_its_own_and_the_rest_above() -> None:
    errors = (
        {"field": "body.scopes.0", "message": "no such scope"},
        {"field": "body.name", "message": "too long"},
        {"field": "body.other", "message": "not known"},
    )
    refusal = Refusal("add", ApiProblem(422, "REQUEST_INVALID", "x", errors=errors), {}, ("name", "scopes"))
    assert refusal.beside("add", "scopes") == "no such scope"
    assert refusal.beside("add", "name") == "too long"
    assert refusal.beside("key", "name") == "", "another form of the page"
    assert refusal.above == ["other: not known"]


@pytest.mark.parametrize(
    ("fields", "beside"),
    [({"field": "name", "found": "x"}, "d. h"), ({"name": "x"}, "d. h"), ({"person": "x"}, ""), ({}, "")],
)
def test_refusal_when_it_has_a_code_then_it_stands_beside_the_field_that_it_names(
    fields: dict[str, str], beside: str
) -> None:
    refusal = Refusal("add", ApiProblem(409, "PERSON_EXISTS", "d", "h", fields=fields), {}, ("name",))
    assert refusal.beside("add", "name") == beside
    assert refusal.above == ([] if beside else ["d. h"])


@pytest.mark.parametrize(
    "actor",
    [
        BOOTSTRAP_ACTOR,
        SIGNAL_ACTOR,
        "session:anna/3f2a",
        "api:anna/9c1e",
        "cli:owner/anna",
        "cli:anna",
        "api:",
        "system",
    ],
)
def test_actor_when_shown_on_a_page_then_it_is_named_as_commands_name_it(actor: str) -> None:
    assert formats.who(actor) == spoken(actor)


def test_actor_when_there_is_none_then_nothing_is_said() -> None:
    assert formats.who(None) == ""
