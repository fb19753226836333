"""Filings: what items and forms announce, what their words add, and that no quote or figure is made up."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.rules import RulesExtractor
from activities.adapters.rules.filings import read_filing
from activities.adapters.rules.items import FORMS, ITEMS, SAID, SILENT, SURE
from domain.documents import Section
from domain.extraction import EntityRole, Event, EventType, ExtractionInput, Materiality, document_text
from domain.validation import validate_extraction
from tests.extraction.builders import COMPANIES, PUBLISHED, candidate, entity_of

EXTRACTOR = RulesExtractor()
COVER = (
    "UNITED STATES\nSECURITIES AND EXCHANGE COMMISSION\nWashington, D.C. 20549\nFORM 8-K\nCURRENT REPORT\n"
    "FORD MOTOR COMPANY\n(Exact name of registrant as specified in its charter)\n"
)
SIGNED = "\nSIGNATURES\nFord Motor Company\nBy: /s/ A Name"


def filing(
    body: str, *, title: str = "8-K FORD MOTOR CO", release: str = "", label: str = "", cover: str = COVER
) -> ExtractionInput:
    """A filing of Ford's. A release stands behind it as a section of its own."""
    text = document_text(title, f"{cover}{body}{SIGNED if cover else ''}" + (f"\n\n{release}" if release else ""))
    start = len(text) - len(release.strip())
    sections = (Section(heading="EX-99.1", start=start, end=len(text)),) if release else ()
    return ExtractionInput(
        doc_id="f1l1ng",
        text=text,
        published_at=PUBLISHED,
        candidates=tuple(candidate(symbol, labelled=symbol == label) for symbol in COMPANIES),
        sections=sections,
        filed=True,
    )


def events_of(source: ExtractionInput) -> tuple[Event, ...]:
    """The events of a document, all of which pass the hard checks whole."""
    answer = EXTRACTOR.extract(source)
    checked = validate_extraction(answer, source)
    assert checked.dropped == ()
    assert checked.extraction == answer
    return answer.events


def facts_of(event: Event) -> set[tuple[str, str, str, str]]:
    return {(fact.metric, str(fact.value), fact.scale or fact.unit, fact.basis) for fact in event.facts}


@pytest.mark.parametrize(
    ("item", "words", "kind", "sign"),
    [
        ("1.01 Entry into a Material Definitive Agreement", "Ford signed a supply agreement.", EventType.CONTRACT, 0),
        ("1.02 Termination of a Material Definitive Agreement", "It was terminated.", EventType.CONTRACT, -1),
        ("1.03 Bankruptcy or Receivership", "The Company filed petitions.", EventType.CREDIT_DISTRESS, -1),
        ("1.05 Material Cybersecurity Incidents", "Systems were accessed.", EventType.OUTAGE_CYBER, -1),
        ("2.02 Results of Operations and Financial Condition", "A release is attached.", EventType.EARNINGS, 0),
        ("2.03 Creation of a Direct Financial Obligation", "The Company borrowed.", EventType.ISSUANCE, 0),
        ("2.04 Triggering Events That Accelerate", "The lenders demand payment.", EventType.CREDIT_DISTRESS, -1),
        ("2.05 Costs Associated with Exit or Disposal Activities", "A plant is closed.", EventType.LABOUR, -1),
        ("2.06 Material Impairments", "Goodwill was written down.", EventType.EARNINGS, -1),
        ("3.01 Notice of Delisting", "The bid price was below $1.00.", EventType.CREDIT_DISTRESS, -1),
        ("3.02 Unregistered Sales of Equity Securities", "Shares were issued.", EventType.ISSUANCE, -1),
        ("4.01 Changes in Registrant's Certifying Accountant", "A firm was hired.", EventType.ACCOUNTING_FRAUD, 0),
        ("4.02 Non-Reliance on Previously Issued Financial Statements", "Errors.", EventType.ACCOUNTING_FRAUD, -1),
        ("5.01 Changes in Control of Registrant", "Control passed to Parent.", EventType.MA_TARGET, 1),
        ("5.02 Departure of Directors or Certain Officers", "A director was elected.", EventType.MANAGEMENT, 0),
        ("5. Acquisition", "", None, 0),
        ("5.03 Amendments to Articles of Incorporation or Bylaws", "They were amended.", None, 0),
        ("5.07 Submission of Matters to a Vote of Security Holders", "All were elected.", None, 0),
        ("9.01 Financial Statements and Exhibits", "99.1 Press release.", None, 0),
    ],
)
def test_item_when_its_heading_stands_in_an_8k_then_it_is_the_event(
    item: str, words: str, kind: EventType | None, sign: int
) -> None:
    events = events_of(filing(f"Item {item}\n{words}"))
    assert [event.type for event in events] == ([kind] if kind else [])
    for event in events:
        sentiment = entity_of(event, "F").sentiment
        assert (sentiment > 0) - (sentiment < 0) == sign
        assert event.confidence == SURE
        assert event.evidence[0].quote == f"Item {item}"


@pytest.mark.parametrize(
    ("item", "words", "kind", "role", "sign"),
    [
        (
            "1.01",
            "Ford entered into an Agreement and Plan of Merger with Pfizer, under which a subsidiary of Pfizer will "
            "be merged "
            "with and into the Company.",
            EventType.MA_TARGET,
            EntityRole.TARGET,
            1,
        ),
        (
            "1.01",
            "Ford entered into a Stock Purchase Agreement to acquire all of the shares of a maker of parts.",
            EventType.MA_ACQUIRER,
            EntityRole.ACQUIRER,
            1,
        ),
        (
            "1.01",
            "The Company entered into a Securities Purchase Agreement for a private placement of shares.",
            EventType.ISSUANCE,
            EntityRole.SUBJECT,
            -1,
        ),
        (
            "1.01",
            "The Company entered into a Credit Agreement with a group of lenders.",
            EventType.ISSUANCE,
            EntityRole.SUBJECT,
            0,
        ),
        ("2.01", "Ford completed the acquisition of a maker.", EventType.MA_ACQUIRER, EntityRole.ACQUIRER, 1),
        ("2.01", "Ford completed the sale of its parts business.", EventType.MA_ACQUIRER, EntityRole.SUBJECT, 1),
        (
            "3.01",
            "The Company will voluntarily transfer its listing to Nasdaq.",
            EventType.CREDIT_DISTRESS,
            EntityRole.SUBJECT,
            0,
        ),
        (
            "4.01",
            "The auditor resigned from its engagement.",
            EventType.ACCOUNTING_FRAUD,
            EntityRole.SUBJECT,
            -1,
        ),
        (
            "4.01",
            "There were no disagreements with the firm.",
            EventType.ACCOUNTING_FRAUD,
            EntityRole.SUBJECT,
            0,
        ),
        (
            "5.02",
            "On May 1, Jane Roe resigned as Chief Financial Officer of the Company.",
            EventType.MANAGEMENT,
            EntityRole.SUBJECT,
            -1,
        ),
        (
            "5.02",
            "The Board elected John Doe, once of the Department of Defense, as a director.",
            EventType.MANAGEMENT,
            EntityRole.SUBJECT,
            0,
        ),
    ],
)
def test_item_when_words_under_it_say_more_then_kind_role_and_sign_follow(
    item: str, words: str, kind: EventType, role: EntityRole, sign: int
) -> None:
    (event,) = events_of(filing(f"Item {item}. A Title of It\n{words}"))
    entity = entity_of(event, "F")
    assert (event.type, entity.role) == (kind, role)
    assert (entity.sentiment > 0) - (entity.sentiment < 0) == sign


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("The Board of Directors authorized a new $5 billion share repurchase program.", EventType.BUYBACK_DIVIDEND),
        ("The Board of Directors declared a quarterly dividend of $0.15 per share.", EventType.BUYBACK_DIVIDEND),
        ("A shareholder sued the Company and alleges infringement of patents.", EventType.LITIGATION_FIRM),
        ("Ford recalls 129,000 sedans over faulty airbags.", EventType.RECALL_SAFETY),
        ("Ford raised its full-year outlook for profit.", EventType.GUIDANCE),
    ],
)
def test_other_events_when_words_tell_their_kind_then_they_are_less_sure_than_a_heading(
    words: str, kind: EventType
) -> None:
    (event,) = events_of(filing(f"Item 8.01. Other Events\n{words}"))
    assert event.type is kind
    assert 0.3 < event.confidence < SURE
    assert entity_of(event, "F").role is EntityRole.SUBJECT


def test_other_events_when_the_words_are_lawyers_then_there_is_no_event() -> None:
    body = (
        "Item 7.01. Regulation FD Disclosure\nThe information shall not be deemed filed, results may differ.\n"
        "Item 8.01. Other Events\nThe text of the press release is furnished as Exhibit 99.1.\nThis communication "
        "does not "
        "constitute an offer to sell securities. Investors and security holders are urged to read the proxy statement."
    )
    assert events_of(filing(body)) == ()


def test_items_when_a_sentence_only_mentions_one_then_it_is_no_event() -> None:
    source = filing("Item 5.02 Departure of Directors\nSee Item 1.03 below.\nItem 1.03 of this report is incorporated.")
    read = read_filing(source)
    assert read is not None
    assert read.items == ("5.02",)
    assert [event.type for event in events_of(source)] == [EventType.MANAGEMENT]


RELEASE = (
    "Exhibit 99.1\nFOR IMMEDIATE RELEASE\nContact: A Name, 555-555-1234\n"
    "Ford Reports Record Second Quarter Revenue, Raises Full-Year Outlook\n"
    "DEARBORN, Mich., July 26, 2011 /PRNewswire/ -- Ford Motor Company (NYSE: F) today reported second-quarter "
    "revenue of "
    "$35.5 billion, up 13 percent from a year ago.\n"
    "Diluted earnings per share was $0.59 on a GAAP basis and $0.65 on a non-GAAP basis.\n"
    "Creative revenue grew to $2.7 billion.\n"
    "For fiscal 2011, the company expects revenue of $130.0 billion to $135.5 billion and adjusted EPS of $2.40 to "
    "$2.60.\n"
    "The Board of Directors declared a quarterly dividend of $0.15 per share.\n"
    "About Ford\nFord sues everybody and went bankrupt."
)


def test_results_when_a_release_tells_them_then_heading_and_figures_are_one_event() -> None:
    source = filing("Item 2.02. Results of Operations and Financial Condition\nA release is attached.", release=RELEASE)
    earnings, *others = events_of(source)
    assert earnings.type is EventType.EARNINGS
    assert earnings.evidence[0].quote.startswith("Item 2.02")
    assert earnings.materiality is Materiality.HIGH
    assert entity_of(earnings, "F").sentiment > 0.3
    assert {
        ("revenue", "35.5", "billion", ""),
        ("eps", "0.59", "", "gaap"),
        ("eps", "0.65", "", "adjusted"),
        ("guidance_low", "130.0", "billion", ""),
        ("guidance_high", "135.5", "billion", ""),
        ("guidance_low", "2.40", "per share", "adjusted"),
        ("guidance_high", "2.60", "per share", "adjusted"),
    } <= {fact for event in (earnings, *others) for fact in facts_of(event)}
    assert not any(fact.value == Decimal("2.7") for event in (earnings, *others) for fact in event.facts)
    dividend = next(event for event in others if event.type is EventType.BUYBACK_DIVIDEND)
    assert facts_of(dividend) == {("dividend", "0.15", "", "")}
    assert {event.type for event in others} <= {EventType.BUYBACK_DIVIDEND, EventType.GUIDANCE}
    period = next(fact for fact in earnings.facts if fact.metric == "revenue")
    assert (period.comparator, period.currency) == ("yoy", "USD")


def test_release_when_it_stands_alone_then_its_headline_and_figures_are_read() -> None:
    events = events_of(filing(RELEASE, title="EX-99.1", cover=""))
    assert events[0].type in {EventType.EARNINGS, EventType.KPI_SALES}
    assert ("revenue", "35.5", "billion", "") in {fact for event in events for fact in facts_of(event)}
    assert EventType.LITIGATION_FIRM not in {event.type for event in events}


def test_report_of_a_foreign_company_when_a_release_is_attached_then_it_tells_the_event() -> None:
    release = "Ford Recalls 129,000 Sedans Over Faulty Airbags\nDEARBORN, July 26, 2011 -- Ford recalls 129,000 sedans."
    (event,) = events_of(filing("Release attached.", title="6-K FORD MOTOR CO", release=release))
    assert (event.type, entity_of(event, "F").sentiment < -0.3) == (EventType.RECALL_SAFETY, True)


_WHO = "Roe Jane (Chief Financial Officer) of FORD MOTOR CO"


@pytest.mark.parametrize(
    ("form", "line", "sign", "units"),
    [
        ("4", "2011-07-01: acquired 5000 Common Stock at 12.50, code P; 9000 held after it", 1, "5000"),
        ("4", "2011-07-01: disposed of 5000 Common Stock at 12.50, code S; 9000 held after it", -1, "5000"),
        ("4/A", "2011-07-01: acquired 5000 Common Stock at 0, code A; 9000 held after it", 0, "5000"),
        ("5", "2011-07-01: disposed of 50 Common Stock, code G", 0, "50"),
        ("3", "Holds 500 Common Stock", 0, ""),
    ],
)
def test_insiders_report_when_shares_change_hands_on_the_market_then_it_has_a_sign(
    form: str, line: str, sign: int, units: str
) -> None:
    (event,) = events_of(filing(f"{_WHO}\n{line}", title=f"{form} FORD MOTOR CO, Roe Jane", cover=""))
    sentiment = entity_of(event, "F").sentiment
    assert event.type is EventType.INSIDER_OWNERSHIP
    assert (sentiment > 0) - (sentiment < 0) == sign
    assert (event.confidence, event.materiality) == (SURE, Materiality.LOW)
    assert [str(fact.value) for fact in event.facts] == ([units] if units else [])


def test_insiders_report_when_buying_and_selling_are_in_it_then_the_larger_amount_decides() -> None:
    lines = (
        "2011-07-01: acquired 5000 Common Stock at 12.50, code M\n2011-07-01: disposed of 100 Common Stock at 12, "
        "code S\n"
        "2011-07-02: acquired 200 Common Stock at 12, code P"
    )
    (event,) = events_of(filing(f"{_WHO}\n{lines}", title="4 FORD MOTOR CO", cover=""))
    assert entity_of(event, "F").sentiment == 0.4
    assert all(quote.quote[-1] in "PS" for quote in event.evidence)


@pytest.mark.parametrize(
    "title", ["4 stocks to watch", "3 reasons why Ford fell", "144 Ford dealers close", "25 banks fail", "D for Ford"]
)
def test_news_when_its_headline_begins_like_a_form_then_it_stays_news(title: str) -> None:
    source = filing(
        "Ford profit fell 3 percent, the Securities and Exchange Commission was told.", title=title, cover=""
    )
    assert read_filing(source) is None
    assert EventType.EARNINGS in {event.type for event in events_of(source)}


@pytest.mark.parametrize(
    "form", [*sorted(FORMS), *(form.replace("_", " ") for form in sorted(SILENT)), "SCHEDULE 13D", "SC13G/A", "S-3MEF"]
)
def test_form_when_it_is_known_then_it_is_read_as_one(form: str) -> None:
    form = {"424B": "424B3"}.get(form, form)
    words = f"FORM {form}\nissuer name: Ford Motor Co\n2011-07-01: acquired 50 Common Stock, code A"
    read = read_filing(filing(words, title=f"{form} FORD MOTOR CO"))
    assert read is not None
    assert read.form in {form, form.replace("SCHEDULE", "SC"), form.replace("SC13", "SC 13")}
    assert [mention.symbol for mention in read.filers] == ["F"]
    events_of(filing(words, title=f"{form} FORD MOTOR CO"))


@pytest.mark.parametrize(
    ("title", "words", "kind", "sign"),
    [
        ("424B5 FORD MOTOR CO", "We are offering 1,000,000 shares of our common stock.", EventType.ISSUANCE, -1),
        ("424B2 FORD MOTOR CO", "We are offering $500,000,000 of notes due 2031.", EventType.ISSUANCE, 0),
        ("S-3ASR FORD MOTOR CO", "Registration statement under the Securities Act.", EventType.ISSUANCE, 0),
        ("SC 13D FORD MOTOR CO", "issuer name: Ford Motor Co\npercent of class: 8.5", EventType.INSIDER_OWNERSHIP, 1),
        ("SC 13D/A FORD MOTOR CO", "issuer name: Ford Motor Co\npercent of class: 8.5", EventType.INSIDER_OWNERSHIP, 0),
        ("SC 13G FORD MOTOR CO", "issuer name: Ford Motor Co\npercent of class: 8.5", EventType.INSIDER_OWNERSHIP, 0),
        ("144 FORD MOTOR CO", "issuer name: Ford Motor Co\nno of units sold: 69996", EventType.INSIDER_OWNERSHIP, -1),
        ("NT 10-K FORD MOTOR CO", "The report cannot be filed in time.", EventType.ACCOUNTING_FRAUD, -1),
        ("SC TO-T FORD MOTOR CO", "Offer to purchase all outstanding shares.", EventType.MA_TARGET, 1),
        ("13F-HR FORD MOTOR CO", "name of issuer: APPLE INC", None, 0),
        ("DEF 14A FORD MOTOR CO", "Ford sues and recalls. You may vote.", None, 0),
        ("CORRESP FORD MOTOR CO", "We respond to your comments on earnings.", None, 0),
        ("UPLOAD FORD MOTOR CO", "We have comments on your earnings.", None, 0),
    ],
)
def test_form_when_it_is_an_announcement_itself_then_it_is_the_event(
    title: str, words: str, kind: EventType | None, sign: int
) -> None:
    events = events_of(filing(words, title=title))
    assert [event.type for event in events] == ([kind] if kind else [])
    for event in events:
        sentiment = entity_of(event, "F").sentiment
        assert (sentiment > 0) - (sentiment < 0) == sign


def test_periodic_report_when_its_discussion_has_figures_then_they_are_facts_of_known_results() -> None:
    discussion = (
        "Item 7. Management's Discussion and Analysis\n"
        "Total revenue was $136.3 billion, an increase of 13 percent compared with the prior year.\n"
        "Trucks revenue rose 40 percent to $5.0 billion.\nNet income rose 8 percent to $20.2 billion.\n"
        + "More. "
        * 400
    )
    body = f"For the fiscal year ended December 31, 2011\n{discussion}"
    source = filing(body, title="10-K FORD MOTOR CO")
    start = source.text.index("Item 7.")
    section = Section(heading="Item 7. Management's Discussion and Analysis", start=start, end=start + len(discussion))
    (event,) = events_of(source.model_copy(update={"sections": (section,)}))
    assert event.type is EventType.EARNINGS
    assert 0.1 < entity_of(event, "F").sentiment < 0.5
    values = {fact[:3] for fact in facts_of(event)}
    assert {("revenue", "136.3", "billion"), ("profit", "20.2", "billion")} <= values
    assert ("revenue", "5.0", "billion") not in values


def test_periodic_report_when_it_has_no_discussion_then_there_is_no_event() -> None:
    assert events_of(filing("For the fiscal year ended December 31, 2011", title="10-K FORD MOTOR CO")) == ()


def test_filer_when_its_source_labelled_it_without_a_name_in_the_text_then_the_ticker_stands_for_it() -> None:
    source = filing("Item 1.03 Bankruptcy or Receivership\nPetitions were filed.", title="8-K", label="GM", cover="")
    (event,) = events_of(source)
    assert (entity_of(event, "GM").surface, len(event.entities)) == ("GM", 1)


def test_filing_when_only_its_cover_makes_it_one_then_it_is_less_sure() -> None:
    source = filing("Item 1.03 Bankruptcy or Receivership\nPetitions were filed.", title="Ford says")
    (event,) = events_of(source)
    assert (event.type, event.confidence) == (EventType.CREDIT_DISTRESS, SAID)


def test_filer_when_others_stand_in_the_filing_then_the_cover_tells_whose_it_is() -> None:
    body = "Item 5.02 Departure of Directors\nJane Roe, once of Pfizer and General Electric, was elected a director."
    for title in ("8-K", "8-K FORD MOTOR CO: Departure of Directors or Certain Officers"):
        (event,) = events_of(filing(body, title=title))
        assert [entity.symbol for entity in event.entities] == ["F"]


def test_filer_when_its_cover_is_a_picture_then_the_text_tells_who_we_are() -> None:
    cover = (
        "Filed pursuant to Rule 424(b)(5)\nSecurities and Exchange Commission\nWe offer shares of our common stock.\n"
    )
    body = "Pfizer uses our parts.\nReferences to “we,” “us,” and “our” refer to Ford Motor Company."
    (event,) = events_of(filing(body, title="424B5", cover=cover))
    assert [entity.symbol for entity in event.entities] == ["F"]


def test_items_when_listed_then_each_sentiment_is_in_range() -> None:
    assert all(-1 <= meaning.sentiment <= 1 for meaning in ITEMS.values())
    assert {"7.01", "8.01"} <= {code for code, meaning in ITEMS.items() if meaning.type is None}


_PIECES = (
    *(f"\nItem {code} Some Title\n" for code in ITEMS),
    "\nItem 9.01(d). Exhibits\n",
    "\nItems 2.03 and 3.02 Of Two\n",
    "Ford Motor Company ",
    "Pfizer acquired Ford for $5 billion. ",
    "net loss was $12.3 million, or $(0.15) per diluted share ",
    "expects revenue of $10.0 to $10.5 billion ",
    "2011-07-01: disposed of 5000 Common Stock at 12.50, code S; 9000 held after it\n",
    "issuer name: Ford Motor Co\n",
    "revenue decreased from 18.5% to 17.2% ",
    "a dividend of 15 cents ",
    " | 04/30/2025 | A | 757,756(1) | A | $0 |\n",
    "e\u0301 ",
    "\nSIGNATURES\n",
    "\nAbout Ford\n",
    "\nDEARBORN, Mich., July 26, 2011 /PRNewswire/ -- ",
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["8-K", "8-K/A FORD MOTOR CO", "6-K", "10-K", "4", "424B5", "SC 13D", "EX-99.1", "144", "News"]),
    st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=12)), max_size=25),
    st.sampled_from(["", "F", "T"]),
    st.booleans(),
)
def test_filing_when_it_is_anything_then_every_claim_passes_the_hard_checks(
    title: str, pieces: list[str], label: str, is_release: bool
) -> None:
    body = "".join(pieces)
    source = filing(body, title=title, label=label, release=f"Ford{body}x" if is_release else "")
    for event in events_of(source):
        assert all(source.text[quote.start : quote.end] == quote.quote for quote in event.evidence)
        assert len({entity.symbol for entity in event.entities}) == len(event.entities)


@pytest.mark.parametrize(
    "piece", ["a", " ", "|", "\n", "Item 8.01 A\n", "sold ", "merger agreement ", "Ford profit rose 5 pct. ", "9", "- "]
)
@pytest.mark.parametrize("title", ["8-K FORD MOTOR CO", "EX-99.1", "4 FORD MOTOR CO", "424B5 FORD MOTOR CO"])
def test_filing_when_it_has_a_megabyte_then_it_is_read_in_bounded_time(title: str, piece: str) -> None:
    started = time.process_time()
    EXTRACTOR.extract(filing("Item 8.01 Other Events\n" + piece * (400_000 // len(piece)), title=title))
    assert time.process_time() - started < 10


def test_filing_when_it_was_not_filed_anywhere_then_its_headings_mean_nothing() -> None:
    body = "Item 1.03 Bankruptcy or Receivership.\nFord Motor Company filed a petition."
    told = filing(body)
    assert any(event.type is EventType.CREDIT_DISTRESS and event.confidence > 0.9 for event in events_of(told))
    article = told.model_copy(update={"filed": False})
    assert all(event.confidence < 0.9 for event in events_of(article))
