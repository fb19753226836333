"""Where documents and market data come from: the typed configuration of each kind of source.

A configuration is checked when it is written, so that a fetch never meets one that cannot work. It names credentials by
reference; the secrets themselves stand in the settings.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, field_validator

from domain.documents import Credibility
from domain.errors import InvalidInput
from domain.model import Model, Utc


class SourceKind(StrEnum):
    FILE = "file"
    FEED = "feed"
    PAGE = "page"
    IMAP = "imap"
    POLYGON_NEWS = "polygon_news"
    POLYGON_BARS = "polygon_bars"
    POLYGON_ACTIONS = "polygon_actions"
    POLYGON_TICKERS = "polygon_tickers"
    EDGAR_FILINGS = "edgar_filings"
    EDGAR_CURRENT = "edgar_current"
    EDGAR_FACTS = "edgar_facts"
    FRED = "fred"
    FED = "fed"
    ALPACA_NEWS = "alpaca_news"
    ALPACA_BARS = "alpaca_bars"


SUBMITTED = "submitted"
"""The source of documents that are handed in: nobody reads it, and no other has its id."""

SELF_STATED = frozenset({SourceKind.FEED, SourceKind.PAGE, SourceKind.IMAP})
"""Kinds whose documents name their publisher themselves: nobody vouches for it."""


def site_of(source_id: str, kind: str, publisher: str) -> str:
    """Who answers for a document: a feed, page or mailbox as a whole; else the publisher that vendor or file names."""
    return source_id if kind in SELF_STATED else f"{source_id}/{publisher.casefold()}"


class RateGroup(StrEnum):
    """Whose limit a request counts against. One task queue each, so that a limit holds over all workers."""

    FILES = "files"
    WEB = "web"
    MAIL = "mail"
    POLYGON = "polygon"
    EDGAR = "edgar"
    FRED = "fred"
    ALPACA = "alpaca"


RATE_GROUPS: dict[SourceKind, RateGroup] = {
    SourceKind.FILE: RateGroup.FILES,
    SourceKind.FEED: RateGroup.WEB,
    SourceKind.PAGE: RateGroup.WEB,
    SourceKind.FED: RateGroup.WEB,
    SourceKind.IMAP: RateGroup.MAIL,
    SourceKind.POLYGON_NEWS: RateGroup.POLYGON,
    SourceKind.POLYGON_BARS: RateGroup.POLYGON,
    SourceKind.POLYGON_ACTIONS: RateGroup.POLYGON,
    SourceKind.POLYGON_TICKERS: RateGroup.POLYGON,
    SourceKind.EDGAR_FILINGS: RateGroup.EDGAR,
    SourceKind.EDGAR_CURRENT: RateGroup.EDGAR,
    SourceKind.EDGAR_FACTS: RateGroup.EDGAR,
    SourceKind.FRED: RateGroup.FRED,
    SourceKind.ALPACA_NEWS: RateGroup.ALPACA,
    SourceKind.ALPACA_BARS: RateGroup.ALPACA,
}

LIMITED_KINDS = frozenset(
    {SourceKind.POLYGON_NEWS, SourceKind.POLYGON_BARS, SourceKind.POLYGON_ACTIONS, SourceKind.POLYGON_TICKERS}
)
"""Kinds of request with a limit of their own under that of their group, so that one cannot starve the others."""

TICKER_PLACE = "{ticker}"
MAXIMUM_CIKS = 10
_CIK = re.compile(r"[0-9]{1,10}")
_EMAIL = re.compile(r"(?:^|[\s(<])[^\s@()<>]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}(?:$|[\s)>])")
_PASSWORD = re.compile(r"//[^/@\s]*@")
_PRIVATE_FORMS = ("UPLOAD", "CORRESP", "DRS")


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"an address that begins with https:// or http:// is needed, found {url[:40]!r}")
    if "@" in parts.netloc:
        raise ValueError("a user name or password in an address is not allowed; name a credential instead")
    return url


def _base_url(url: str) -> str:
    _web_address(url)
    if "?" in url or "#" in url:
        raise ValueError(f"an address without a query is needed, found {url[:100]!r}")
    return url.rstrip("/")


def _ticker_pattern(pattern: str) -> str:
    if pattern.count(TICKER_PLACE) != 1 or pattern == TICKER_PLACE:
        raise ValueError(f"a ticker pattern must hold {TICKER_PLACE} once and a text around it, found {pattern!r}")
    return pattern


def _cik(value: str) -> str:
    if not _CIK.fullmatch(value.strip()) or not int(value):
        raise ValueError(f"a central index key of up to ten digits is needed, found {value[:40]!r}")
    return value.strip().zfill(10)


def _with_contact(user_agent: str) -> str:
    if not _EMAIL.search(user_agent) or not user_agent.isprintable() or not user_agent.isascii():
        raise ValueError("a name and a contact e-mail are needed, such as: Example Research ops@example.com")
    return user_agent


WebAddress = Annotated[str, Field(max_length=2_000), AfterValidator(_web_address)]
BaseUrl = Annotated[str, Field(max_length=200), AfterValidator(_base_url)]
Ticker = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.\-]{0,19}$")]
Cik = Annotated[str, AfterValidator(_cik)]
CredentialName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""Reference of a secret: its setting without `STONKS_CREDENTIAL_`, in lower case."""
UserAgent = Annotated[str, Field(max_length=200), AfterValidator(_with_contact)]
"""Who asks, with an e-mail address, as EDGAR demands: `Example Research ops@example.com`."""


class FileFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    FOLDER = "folder"


class ColumnMapping(Model):
    """Which column (or JSON key) holds what. An empty name means that the source has no such column.

    The default names are tried in `known` order when nothing is configured, so that common files work as they are.
    """

    title: str = "title"
    text: str = ""
    published: str = "published_at"
    tickers: str = ""
    """One ticker, or several separated by commas, semicolons, blanks or `|`."""
    url: str = ""
    publisher: str = ""


class FileSourceConfig(Model):
    """A file or folder of documents, read as a stream.

    A folder holds one document a file (`.txt`, `.md`, `.html`); the title is the first line, the time the leading
    `YYYY-MM-DD` (or `YYYY-MM-DDTHHMM` in UTC) of the file's name, the tickers what stands between brackets in it:
    `2014-07-15T2015 [INTC] results.txt`.
    """

    kind: Literal[SourceKind.FILE] = SourceKind.FILE
    path: str
    format: FileFormat | None = None
    """None: by the name's ending (`.csv`, `.csv.gz`, `.jsonl`, `.jsonl.gz`, or a folder)."""
    columns: ColumnMapping | None = None
    """None: recognised from the header; the header must then hold one of the known names for title and time."""
    publisher: str = ""
    credibility: Credibility = Credibility.UNKNOWN
    max_line_bytes: Annotated[int, Field(ge=1_024)] = 1_048_576


class FeedConfig(Model):
    """One RSS or Atom feed."""

    kind: Literal[SourceKind.FEED] = SourceKind.FEED
    url: WebAddress
    publisher: str = ""
    """Empty: the feed's own title."""
    credibility: Credibility = Credibility.UNKNOWN
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    """Of feeds that do not name theirs."""
    ticker_patterns: Annotated[
        tuple[Annotated[str, Field(max_length=40), AfterValidator(_ticker_pattern)], ...], Field(max_length=10)
    ] = ()
    """How titles write tickers: `({ticker})`, `NYSE: {ticker}`. Plain text apart from the place, no expression."""


class PageConfig(Model):
    """Web pages (HTML, PDF or text) that are looked at again and again; each new content is a document."""

    kind: Literal[SourceKind.PAGE] = SourceKind.PAGE
    urls: Annotated[tuple[WebAddress, ...], Field(min_length=1, max_length=20)]
    publisher: str = ""
    credibility: Credibility = Credibility.UNKNOWN
    tickers: Annotated[tuple[Ticker, ...], Field(max_length=20)] = ()
    """Whom the pages are about, for example the company whose news room it is."""


class MailboxConfig(Model):
    """Newsletters in a mailbox, read over IMAP with TLS. Nothing is marked, moved or deleted there."""

    kind: Literal[SourceKind.IMAP] = SourceKind.IMAP
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=65_535)] = 993
    mailbox: Annotated[str, Field(min_length=1, max_length=200)] = "INBOX"
    senders: Annotated[tuple[Annotated[str, Field(min_length=3, max_length=200)], ...], Field(max_length=50)] = ()
    """Addresses, or domains as `@example.com`, whose mails are read; none: everybody's. A sender is easily forged."""
    since: date
    """First day of arrival wanted."""
    user_credential: CredentialName = "imap_user"
    password_credential: CredentialName = "imap_password"  # noqa: S105 - the name of a setting
    publisher: str = ""
    """Empty: the sender."""
    credibility: Credibility = Credibility.UNKNOWN

    @field_validator("mailbox")
    @classmethod
    def _is_printable(cls, mailbox: str) -> str:
        if not mailbox.isascii() or not mailbox.isprintable() or '"' in mailbox or "\\" in mailbox:
            raise ValueError("a mailbox name of printable ASCII without quotes is needed (others in modified UTF-7)")
        return mailbox


class PolygonAccount(Model):
    """One account's view of Polygon, since renamed Massive. Both names answer: the host is configuration."""

    base_url: BaseUrl = "https://api.massive.com"
    credential: CredentialName = "polygon_api_key"


class PolygonNewsConfig(PolygonAccount):
    """Articles, with what the vendor says that each means for a ticker."""

    kind: Literal[SourceKind.POLYGON_NEWS] = SourceKind.POLYGON_NEWS
    tickers: Annotated[tuple[Ticker, ...], Field(max_length=500)] = ()
    """Whose news is wanted; none: everybody's. The vendor filters by one ticker; several are filtered here."""
    since: Utc
    """Where the first fetch begins."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    """Records a page."""
    credibility: Credibility = Credibility.AGGREGATOR


class PolygonBarsConfig(PolygonAccount):
    """Raw daily bars: one request a session for everything, or a range a symbol."""

    kind: Literal[SourceKind.POLYGON_BARS] = SourceKind.POLYGON_BARS
    symbols: Annotated[tuple[Ticker, ...], Field(max_length=2_000)] = ()
    """None: every session as a whole, of which the registry's companies are kept."""
    since: date
    credibility: Credibility = Credibility.OFFICIAL


class PolygonActionsConfig(PolygonAccount):
    """Splits and cash dividends."""

    kind: Literal[SourceKind.POLYGON_ACTIONS] = SourceKind.POLYGON_ACTIONS
    symbols: Annotated[tuple[Ticker, ...], Field(min_length=1, max_length=2_000)]
    since: date
    credibility: Credibility = Credibility.OFFICIAL


class PolygonTickersConfig(PolygonAccount):
    """What the vendor knows about companies: names, exchange, central index key, industry, former tickers."""

    kind: Literal[SourceKind.POLYGON_TICKERS] = SourceKind.POLYGON_TICKERS
    symbols: Annotated[tuple[Ticker, ...], Field(min_length=1, max_length=2_000)]
    credibility: Credibility = Credibility.OFFICIAL


class EdgarAccess(Model):
    """How EDGAR is asked. The addresses differ only for a mirror of one's own."""

    user_agent: UserAgent
    data_url: BaseUrl = "https://data.sec.gov"
    archive_url: BaseUrl = "https://www.sec.gov"
    credibility: Credibility = Credibility.OFFICIAL


class EdgarFilingsConfig(EdgarAccess):
    """Filings of chosen companies."""

    kind: Literal[SourceKind.EDGAR_FILINGS] = SourceKind.EDGAR_FILINGS
    ciks: Annotated[tuple[Cik, ...], Field(min_length=1, max_length=MAXIMUM_CIKS)]
    """Central index keys, with or without leading zeros."""
    forms: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)] = ("8-K", "10-Q", "10-K", "4")
    """Form types exactly as EDGAR writes them; an amendment is a form of its own: `10-K/A`."""
    since: date
    """First filing day wanted."""

    @field_validator("ciks")
    @classmethod
    def _each_once(cls, ciks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(ciks))

    @field_validator("forms")
    @classmethod
    def _are_public_at_once(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        for form in forms:
            if form.startswith(_PRIVATE_FORMS):
                raise ValueError(f"{form} is released weeks after its filing day, which its listing does not tell")
        return forms


class EdgarCurrentConfig(EdgarAccess):
    """Filings of everybody as they come in: the feed of the latest filings, then each filing that is wanted."""

    kind: Literal[SourceKind.EDGAR_CURRENT] = SourceKind.EDGAR_CURRENT
    forms: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)] = ("8-K",)
    ciks: Annotated[tuple[Cik, ...], Field(max_length=2_000)] = ()
    """Whose filings are wanted; none: those of the registry's companies."""


class EdgarFactsConfig(EdgarAccess):
    """Figures that companies reported, as XBRL company facts."""

    kind: Literal[SourceKind.EDGAR_FACTS] = SourceKind.EDGAR_FACTS
    ciks: Annotated[tuple[Cik, ...], Field(min_length=1, max_length=500)]
    tags: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,200}$")], ...], Field(max_length=200)] = (
        "Revenues",
        "RevenueFromContractWithCustomerExcludingAssessedTax",
        "SalesRevenueNet",
        "NetIncomeLoss",
        "OperatingIncomeLoss",
        "GrossProfit",
        "EarningsPerShareBasic",
        "EarningsPerShareDiluted",
        "Assets",
        "Liabilities",
        "StockholdersEquity",
        "CashAndCashEquivalentsAtCarryingValue",
        "LongTermDebt",
        "NetCashProvidedByUsedInOperatingActivities",
        "CommonStockDividendsPerShareDeclared",
        "EntityCommonStockSharesOutstanding",
    )
    """Tags of `us-gaap` and `dei` that are kept; none: all."""


class FredSeries(Model):
    """One series, and what people call it."""

    id: Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,25}$")]
    title: Annotated[str, Field(max_length=300)] = ""
    units: Annotated[str, Field(max_length=100)] = ""


class FredConfig(Model):
    """Whose releases are followed, with their vintages."""

    kind: Literal[SourceKind.FRED] = SourceKind.FRED
    base_url: BaseUrl = "https://api.stlouisfed.org"
    series: Annotated[tuple[FredSeries, ...], Field(min_length=1, max_length=80)]
    since: date
    """What was published after this day becomes documents; what was known on it is the base of revisions.

    The vendor allows at most 2,000 vintages in an answer: a daily series needs a later day than a quarterly one.
    """
    observations_from: date | None = None
    """First period looked at; None: all."""
    credential: CredentialName = "fred_api_key"
    credibility: Credibility = Credibility.OFFICIAL


class FedDocument(StrEnum):
    STATEMENT = "statement"
    MINUTES = "minutes"


class FedConfig(Model):
    """Statements and minutes of the Federal Open Market Committee."""

    kind: Literal[SourceKind.FED] = SourceKind.FED
    base_url: BaseUrl = "https://www.federalreserve.gov"
    documents: Annotated[tuple[FedDocument, ...], Field(min_length=1)] = (FedDocument.STATEMENT, FedDocument.MINUTES)
    since: date
    """First day of publication wanted."""
    credibility: Credibility = Credibility.OFFICIAL


class AlpacaAccount(Model):
    """How Alpaca's data host is asked."""

    base_url: BaseUrl = "https://data.alpaca.markets"
    key_credential: CredentialName = "alpaca_api_key"
    secret_credential: CredentialName = "alpaca_api_secret"  # noqa: S105 - the name of a setting


class AlpacaNewsConfig(AlpacaAccount):
    """Articles, in order of their last change."""

    kind: Literal[SourceKind.ALPACA_NEWS] = SourceKind.ALPACA_NEWS
    symbols: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9./\-]{1,20}$")], ...], Field(max_length=200)
    ] = ()
    """None: everybody's."""
    since: Utc
    """Where the first fetch begins, by the time of an article's last change."""
    limit: Annotated[int, Field(ge=1, le=50)] = 50
    """Articles a page."""
    credibility: Credibility = Credibility.WIRE


class AlpacaBarsConfig(AlpacaAccount):
    """Raw daily bars."""

    kind: Literal[SourceKind.ALPACA_BARS] = SourceKind.ALPACA_BARS
    symbols: Annotated[tuple[Ticker, ...], Field(min_length=1, max_length=200)]
    since: date
    credibility: Credibility = Credibility.OFFICIAL


SourceConfig = Annotated[
    FileSourceConfig
    | FeedConfig
    | PageConfig
    | MailboxConfig
    | PolygonNewsConfig
    | PolygonBarsConfig
    | PolygonActionsConfig
    | PolygonTickersConfig
    | EdgarFilingsConfig
    | EdgarCurrentConfig
    | EdgarFactsConfig
    | FredConfig
    | FedConfig
    | AlpacaNewsConfig
    | AlpacaBarsConfig,
    Field(discriminator="kind"),
]

_CONFIG: TypeAdapter[SourceConfig] = TypeAdapter(SourceConfig)


def read_config(values: dict[str, Any]) -> SourceConfig:
    """Check a configuration.

    Raises:
        InvalidInput: `SOURCE_CONFIG_INVALID`, naming the field, what was found and what is allowed.
    """
    try:
        return _CONFIG.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    if first["type"].startswith("union_tag"):
        raise InvalidInput(
            "SOURCE_CONFIG_INVALID",
            f"Allowed kinds: {', '.join(SourceKind)}",
            field="kind",
            found=repr(values.get("kind"))[:60],
        )
    # The first part of the place is the kind itself.
    place = ".".join(str(part) for part in first["loc"][1:]) or "the whole"
    found = {} if isinstance(first["input"], dict) else {"found": _PASSWORD.sub("//***@", repr(first["input"]))[:60]}
    allowed = str(first["msg"]).removeprefix("Value error, ")
    raise InvalidInput("SOURCE_CONFIG_INVALID", allowed, kind=values.get("kind"), field=place, **found)


def publisher_of(config: SourceConfig) -> str:
    """The publisher that an operator gave to a source's documents, empty where they name their own."""
    return str(getattr(config, "publisher", ""))


def credentials_of(config: SourceConfig) -> tuple[str, ...]:
    """References of the secrets that a source needs."""
    named = (getattr(config, name, "") for name in type(config).model_fields if name.endswith("credential"))
    return tuple(str(name) for name in named if name)
