"""What a reader does not see is not read; what they see is."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.pages.page import parse_page
from activities.adapters.visible import HidingUnclear, without_hidden
from domain.errors import SourceFormatError

ABOVE = "<p>The board met on Monday and left its target where it was, people who were there said.</p>"
BELOW = "<p>It will meet again in June, when new figures of the economy are known to everybody.</p>"


def text_of(middle: str, head: str = "", body: str = "") -> str:
    markup = (
        f"<!doctype html><html><head><meta charset='utf-8'><title>Board</title>{head}</head>"
        f"<body{body}><article><h1>Board</h1>{ABOVE}{middle}{BELOW}</article></body></html>"
    )
    text = parse_page(markup.encode(), "text/html", "https://pages.example/a").text
    assert "left its target" in text
    assert "meet again in June" in text
    return text


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY : NONE !important",
        "color:red;display:none",
        "background:url(';display:block;');display:none",
        "background:url(a;display:block);display:none",
        "content:';display:block';display:none",
        r"content:\';display:none",
        r"d\isplay:n\6f ne",
        "display/**/:/* x */none",
        "display:none;/* display:block",
        "display:none!important;display:block",
        "content-visibility:hidden",
        "visibility:hidden",
        "visibility:collapse",
        "opacity:0",
        "opacity:.01",
        "opacity:0%",
        "filter:opacity(0)",
        "font-size:0",
        "font-size:1px",
        "font-size:0.1em",
        "font-size:1%",
        "font:0/0 a",
        "font:italic 1px serif",
        "position:absolute;left:-9999px",
        "position:fixed; top:-100em",
        "position:relative;left:-99999px",
        "position:absolute;left:100000px",
        f"position:absolute;left:-{'0' * 500}9999px",
        "position:absolute;left:-1e99999px",
        "position:absolute;right:-9999px",
        "position:absolute;left:-100vw",
        "position:absolute;left:calc(-9999px)",
        "position:absolute;inset:0 0 0 -9999px",
        "text-indent:-9999px",
        "text-indent:100%;white-space:nowrap;overflow:hidden",
        "margin-left:-9999px",
        "transform:translateX(-9999px)",
        "transform:translate(0, -9999px)",
        "transform:scale(0)",
        "transform:scale(1,0)",
        "position:absolute;clip:rect(0,0,0,0)",
        "position:absolute;clip:rect(1px 1px 1px 1px)",
        "clip-path:inset(50%)",
        "clip-path:inset(100%)",
        "clip-path:circle(0)",
        "clip-path:polygon(0 0, 0 0, 0 0)",
        "width:0;height:0;overflow:hidden",
        "max-height:0;overflow:hidden",
        "height:1px;width:1px;overflow:hidden",
        "max-width:0;overflow-x:clip",
        "color:#fff",
        "color:white",
        "color:rgb(255,255,255)",
        "color:hsl(0 0% 100%)",
        "color:#fffffe",
        "color:snow",
        "color:transparent",
        "color:rgba(0,0,0,0)",
        "color:#0000",
        "-webkit-text-fill-color:transparent",
        "color:#ffffff;background-color:#ffffff",
        "color:black;background:#000",
        "color:rgb(10%,10%,10%);background:#1a1a1a",
        "color:rebeccapurple;background:rebeccapurple",
        "background:#000",
    ],
)
def test_text_when_its_own_style_hides_it_then_it_is_left_out(style: str) -> None:
    for element in ("div", "span"):
        middle = f'Before<{element} style="{style}">Secret <b>plan</b></{element}>after'
        text = text_of(f"<p>{middle}</p>" if element == "span" else middle)
        assert "Secret" not in text
        assert "plan" not in text
        assert "Before" in text
        assert "after" in text


@pytest.mark.parametrize(
    "style",
    [
        "display:block",
        "display:none;display:block",
        "visibility:visible",
        "opacity:1",
        "opacity:.9",
        "font-size:62.5%",
        "font-size:11px",
        "font:bold 12px/1.4 serif",
        "position:absolute;left:-10px",
        "left:-9999px",
        "position:relative;left:-50%",
        "margin-left:-960px",
        "text-indent:-18pt;margin-left:18pt",
        "transform:translate(-50%,-50%)",
        "transform:scale(.9)",
        "clip:rect(0,0,0,0)",
        "clip-path:inset(5px)",
        "clip-path:polygon(0 0, 100% 0, 100% 90%, 0 100%)",
        "height:0",
        "max-height:200px;overflow:hidden",
        "width:100%;overflow:hidden",
        "color:#333",
        "color:white;background:#003366",
        "color:white;background:url(dark.png)",
        "color:white;background-image:linear-gradient(#000,#111)",
        "color:white;background:var(--dark)",
        "color:transparent;background:linear-gradient(red,blue);-webkit-background-clip:text",
        "background:transparent",
        "color:inherit",
        "content:'display:none'",
        "font-family:'display:none;x'",
        "/* display:none */",
    ],
)
def test_text_when_its_own_style_shows_it_then_it_is_read(style: str) -> None:
    assert "Open plan" in text_of(f'<p style="{style}">Open plan of the board for the year.</p>')


@pytest.mark.parametrize(
    ("sheet", "attributes"),
    [
        (".x{display:none}", "class='a x'"),
        ("#y{visibility:hidden}", "id=y"),
        ("aside{display:none}", ""),
        ("h6, .b , aside{display:none}", ""),
        ("*.x{display:none}", "class=x"),
        ("aside.x{opacity:0}", "class=x"),
        (".x.y{opacity:0}", "class='y x'"),
        ("article .x{display:none}", "class=x"),
        ("body>article > aside{display:none}", ""),
        ("html body article .x{display:none}", "class=x"),
        ("[data-k]{display:none}", "data-k=1"),
        ("aside[data-k='a,b']{display:none}", "data-k='a,b'"),
        ("[class^=x]{display:none}", "class=xyz"),
        (r".md\:gone{display:none}", "class='md:gone'"),
        (r".\78 {display:none}", "class=x"),
        (".x{color:#fff}", "class=x"),
        (".x{color:white;background-color:#FFF}", "class=x"),
        (".p{background:#123456}.x{color:#123456}", "class='x p'"),
        ("article{background:#222}.x{color:#222}", "class=x"),
        (".x{font-size:0}", "class=x"),
        (".x{position:absolute;left:-999em}", "class=x"),
        (".x{display:none", "class=x"),
        ("} .x{display:none}", "class=x"),
        ("@import url(a.css); .x{display:none}", "class=x"),
        ("@charset 'utf-8'; /* } */ .x{display:none}", "class=x"),
        ("<!-- .x{display:none} -->", "class=x"),
        (".y::after{content:'}'} .x{display:none}", "class=x"),
        ("@media screen{.x{display:none}}", "class=x"),
        ("@media all{.x{display:none}}", "class=x"),
        ("@media (min-width: 300px){.x{display:none}}", "class=x"),
        ("@media screen and (max-width: 4000px){.x{display:none}}", "class=x"),
        ("@media print, screen{.x{display:none}}", "class=x"),
        ("@media not print{.x{display:none}}", "class=x"),
        ("@media (color){.x{display:none}}", "class=x"),
        ("@supports (display:grid){@media screen{.x{display:none}}}", "class=x"),
        ("@layer a{.x{display:none}}", "class=x"),
        ("@font-face{src:url(a)} .x{display:none}", "class=x"),
        (".x{display:none}.x{color:red}", "class=x"),
        ("aside.x{display:none}.x{display:block}", "class=x"),
        (".x{display:none!important}aside.x{display:block}", "class=x style='display:block'"),
        (".x{display:block}.x{display:none}", "class=x"),
    ],
)
def test_text_when_the_pages_style_hides_it_then_it_is_left_out(sheet: str, attributes: str) -> None:
    text = text_of(f"<aside {attributes}>Secret <b>plan</b></aside>", f"<style>{sheet}</style>")
    assert "Secret" not in text
    assert "plan" not in text


@pytest.mark.parametrize(
    ("sheet", "attributes"),
    [
        (".y{display:none}", "class='x yy'"),
        (".X{display:none}", "class=x"),
        ("section .x{display:none}", "class=x"),
        ("body > .x{display:none}", "class=x"),
        ("@media print{.x{display:none}}", "class=x"),
        ("@media screen and (max-width:600px){.x{display:none}}", "class=x"),
        ("@media (width <= 600px){.x{display:none}}", "class=x"),
        ("@media (prefers-color-scheme: dark){.x{color:#fff}}", "class=x"),
        ("@media (prefers-reduced-motion: reduce){.x{display:none}}", "class=x"),
        ("@keyframes a{from{visibility:hidden}to{visibility:visible}}", "class=x"),
        ("@supports not (display:grid){.x{display:none}}", "class=x"),
        (".x:empty{display:none}", "class=x"),
        (".x::before{display:none}", "class=x"),
        (".x{display:none}.x.y{display:block}", "class='x y'"),
        (".x{display:none}", "class=x style='display:block'"),
        (".x{color:#fff;background:#123}", "class=x"),
        (".p{background:#123}.p .x{color:#fff}.x{background:#222}", "class=x"),
        (".x{}, {display:none}", "class=x"),
        ("/* .x{display:none} */", "class=x"),
        ("body{display:none}html{opacity:0}", ""),
        ("body{visibility:hidden}", ""),
        ("body{background:#000}", ""),
        ("body{background:#111;color:#eee}", ""),
    ],
)
def test_text_when_the_pages_style_leaves_it_visible_then_it_is_read(sheet: str, attributes: str) -> None:
    middle = f"<p {attributes}>Open plan of the board for the year.</p>"
    assert "Open plan" in text_of(middle, f"<style>{sheet}</style>")


@pytest.mark.parametrize(
    "middle",
    [
        "<p hidden>Secret</p>",
        "<div hidden='until-found'><p>Secret</p></div>",
        "<template><p>Secret</p></template>",
        "<noscript><p>Secret</p></noscript>",
        "<script>var a = 'Secret'</script>",
        "<style>.a::after{content:'Secret'}</style>",
        "<!-- Secret --><p>Open</p>",
        "<img src=a alt='Secret' title='Secret' data-a='Secret'>",
        "<p title='Secret' data-text='Secret' aria-label='Secret'>Open</p>",
        "<input type=hidden value='Secret'><input value='Secret'>",
        "<dialog>Secret</dialog>",
        "<iframe>Secret</iframe><canvas>Secret</canvas><video>Secret</video>",
        "<svg><title>Secret</title></svg>",
        "<p><font color='#FFFFFF'>Secret</font></p>",
        "<table bgcolor=navy><tr><td><font color=navy>Secret</font></td><td>Open</td></tr></table>",
        "<div style='visibility:hidden'>Secret<p style='visibility:visible'>Open</p>Secret</div>",
        "<div style='font-size:0'>Secret<p style='font-size:14px'>Open</p>Secret</div>",
        "<div style='display:none'><p style='display:block'>Secret</p></div>",
        '<script type=\'application/ld+json\'>{"@type":"NewsArticle","articleBody":"Secret"}</script>',
    ],
)
def test_text_when_no_reader_sees_it_then_it_is_left_out_and_the_rest_is_read(middle: str) -> None:
    text = text_of(middle)
    assert "Secret" not in text
    assert "Open" not in middle or "Open" in text


def test_text_when_shown_on_demand_or_only_to_the_eye_then_it_is_read() -> None:
    assert "Open" in text_of("<details><summary>More</summary><p>Open plan of the board.</p></details>")
    assert "Open" in text_of("<p aria-hidden=true>Open plan of the board.</p>")
    assert "Open" in text_of("<p hidden style='display:block'>Open plan of the board.</p>")
    assert "Open" in text_of("<dialog open>Open plan of the board.</dialog>")
    assert "Open" in text_of("<p class=x>Open plan.</p>", "<noscript><style>.x{display:none}</style></noscript>")
    assert "Open" in text_of("<p class=x>Open plan.</p>", "<style media=print>.x{display:none}</style>")
    dark = "<table bgcolor='#003366'><tr><td style='color:#fff'>Open plan</td></tr></table>"
    assert "Open" in text_of(dark)


REAL_HEAD = """<link rel="stylesheet" href="/site.css"><style>
:root{--ink:#1a1a1a;--paper:#fff}*,*::before{box-sizing:border-box}html{font-size:62.5%}
body{margin:0;font:1.6rem/1.5 Georgia,serif;color:var(--ink);background:var(--paper);opacity:0}
.site-header{position:sticky;top:0;background:#0b2545;color:#fff}.site-header a{color:inherit}
.hero{position:relative;background:url(/hero.jpg) center/cover;color:#fff;overflow:hidden}.hero h1{color:white}
.menu{position:absolute;left:0;max-height:0;overflow:hidden}.menu.open{max-height:60rem}
.sr-only{position:absolute;width:1px;height:1px;overflow:hidden;clip:rect(0,0,0,0)}
.story p{margin:0 0 1em;text-indent:1.5em}.story .lead{font-size:1.2em}.cols{margin-left:-15px}
.caption{font-size:1.2rem;color:#666}.pull{transform:translateX(-5%);background:#eee}
@media (max-width:700px){.story table,.aside{display:none}}@media print{.story{display:none}}
@media (prefers-color-scheme:dark){body{background:#111;color:#eee}.story{color:#fff}}
@keyframes in{from{opacity:0;visibility:hidden}to{opacity:1}}.fade{animation:in 1s}
table.data td{white-space:nowrap}a:not(.button):hover{display:none}
</style><script type="application/ld+json">{"@type":"NewsArticle"}</script>"""
REAL_BODY = """<header class="site-header"><a class="sr-only" href="#main">Skip to content</a>
<nav class="menu"><ul><li><a href="/">Menu of the day</a></li></ul></nav></header>
<div class="hero"><h1>Anvils sell well</h1></div><main id="main"><article class="story">
<p class="lead">Acme sold more anvils in the third quarter than in any quarter before, it said on Thursday.</p>
<p>Revenue rose to <b style="white-space:nowrap">$4.2 billion</b> from <i>$3.9 billion</i> a year earlier.</p>
<figure><img src="a.jpg" alt="An anvil falls"><figcaption class="caption">Anvils in Tucson, Arizona.</figcaption></figure>
<table class="data"><tr><th>Quarter</th><td>4.2</td></tr><tr><th>Year before</th><td>3.9</td></tr></table>
<blockquote class="pull fade">"We see no end of it," the chief executive said in a call with analysts.</blockquote>
<details><summary>How it was counted</summary><p>Anvils that were returned are left out of the count.</p></details>
<noscript><img src="pixel.gif">Enable scripts</noscript></article></main>
<div class="cookies" hidden>We value your privacy</div><footer>Acme News</footer>"""


def test_page_when_it_is_made_like_real_ones_then_every_visible_sentence_is_read_and_no_hidden_one() -> None:
    markup = f"<!doctype html><html><head><title>Anvils</title>{REAL_HEAD}</head><body>{REAL_BODY}</body></html>"
    left = " ".join(without_hidden(f"{REAL_HEAD}{REAL_BODY}").split())
    for shown in (
        "Anvils sell well",
        "it said on Thursday",
        "$4.2 billion",
        "$3.9 billion",
        "Anvils in Tucson",
        "Year before",
        "We see no end of it",
        "How it was counted",
        "are left out of the count",
        "Acme News",
    ):
        assert shown in left
    for hidden in ("Skip to content", "Menu of the day", "Enable scripts", "We value your privacy", "NewsArticle"):
        assert hidden not in left
    text = parse_page(markup.encode(), "text/html", "https://pages.example/a").text
    assert "it said on Thursday" in text
    assert "$4.2 billion" in text
    assert "left out of the count" in text


def test_mail_when_made_like_a_newsletter_then_its_preheader_is_left_out_and_its_letter_is_read() -> None:
    preheader = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden"
    markup = (
        f"<html><body bgcolor='#f4f4f4'><div style='{preheader}'>Secret words for the inbox</div>"
        "<table bgcolor='#003366' width='600'><tr><td style='color:#ffffff;font-size:20px'>Weekly letter</td></tr>"
        "</table><table bgcolor='#ffffff'><tr><td style='color:#333'><p>Acme bought a mine in Chile.</p>"
        "<span style='color:#fff;font-size:2px'>Secret keywords</span><img width=1 height=1 alt='Secret'></td></tr>"
        "</table></body></html>"
    )
    head = "From: a@news.example\nTo: b@desk.example\nMessage-ID: <1@news.example>\nMIME-Version: 1.0\n"
    body = f"{head}Content-Type: text/html; charset=utf-8\n\n{markup}"
    text = parse_page(body.encode(), "message/rfc822", "").text
    assert "Weekly letter" in text
    assert "Acme bought a mine in Chile." in text
    assert "Secret" not in text


def test_title_when_its_heading_is_hidden_then_the_next_is_taken() -> None:
    markup = "<html><body><h1 hidden>Secret</h1><h1>Open</h1><p>Rates rose.</p></body></html>"
    assert parse_page(markup.encode(), "text/html", "https://pages.example/a").title == "Open"


def test_date_when_only_linked_data_states_it_then_it_is_still_read() -> None:
    head = '<script type="application/ld+json">{"datePublished":"2024-04-30T10:00:00+02:00"}</script>'
    markup = f"<html><head>{head}</head><body><p>Rates rose.</p></body></html>"
    assert parse_page(markup.encode(), "text/html", "https://pages.example/a").published_at is not None


def test_words_when_hidden_ones_stand_between_then_they_join_as_a_reader_sees_them() -> None:
    assert "Rates rose twice" in text_of("<p>Rates <b hidden>never</b>rose<i style='display:none'> or</i> twice</p>")


@pytest.mark.parametrize(
    "markup",
    [
        "<style>" + "".join(f".a{n}{{display:none}}" for n in range(10_000)) + "</style>" + "<p class=b>x</p>" * 5_000,
        "<style>" + "p{color:red}" * 40_000 + "</style>" + "<p>x</p>" * 5_000,
        "<style>" + "".join(f".a{n} p{{color:red}}" for n in range(10_000)) + "</style>" + "<p>x</p>" * 5_000,
        "<style>" + "div " * 5_000 + "p{color:red}</style>" + "<div>" * 200 + "<p>x</p>" * 1_000,
        "<style>div>" * 300 + "p{color:red}</style>" + "<div>" * 200 + "<p>x</p>" * 1_000,
        "<style>" + "a," * 500_000 + "a{color:red}</style><p>x</p>",
        "<style>" + "[" * 500_000 + "{color:red}</style><p>x</p>",
        "<style>" + "\\4" * 500_000 + "!{color:red}</style><p>x</p>",
        "<style>" + "@media screen{" * 100_000 + ".x{display:none}</style><p class=x>x</p>",
        "<style>" + "{" * 500_000 + "</style><p>x</p>",
        "<style>" + "/*" * 500_000 + "</style><p>x</p>",
        "<style>" + "url(" * 500_000 + "</style><p>x</p>",
        "<style>" + "'\n" * 500_000 + "</style><p>x</p>",
        "<style></style>" * 100_000 + "<p>x</p>",
        "<p style='" + "color:red;" * 500_000 + "'>x</p>",
        "<p style='" + "-" * 5_000_000 + "'>x</p>",
        "<p style='left:" + "9" * 5_000_000 + "px;position:absolute'>x</p>",
        "<p style='transform:" + "translate(1px," * 300_000 + "'>x</p>",
        "<p style='clip-path:inset(" + "1" * 1_000_000 + "%'>x</p>",
        "<p class='" + "a " * 1_000_000 + "'>x</p><style>.a{display:none}</style>",
        "<p hidden>a</p>b" * 90_000,
        "<div style='display:none'>" * 90_000 + "x",
        "<b style='color:white'>" * 200 + "x</b>" * 90_000,
    ],
)
def test_page_when_its_style_is_hostile_then_it_ends_in_time(markup: str) -> None:
    began = time.monotonic()
    with contextlib.suppress(SourceFormatError):
        parse_page(f"<html><body>{markup}</body></html>".encode(), "text/html", "https://pages.example/a")
    assert time.monotonic() - began < 20


def test_page_when_its_style_asks_for_too_much_then_it_is_refused_rather_than_read_whole() -> None:
    sheet = ".a{color:red}" * 50_001
    with pytest.raises(SourceFormatError, match="PAGE_TOO_COMPLEX"):
        text_of("", f"<style>{sheet}.x{{display:none}}</style>")
    with pytest.raises(HidingUnclear):
        without_hidden("<b hidden>" * 400_001)


def test_rules_when_ten_thousand_then_each_is_heeded() -> None:
    sheet = "".join(f".a{number}{{display:none}}" for number in range(10_000))
    text = text_of("<p class=a9999>Secret</p><p class=a10000>Open plan of the board</p>", f"<style>{sheet}</style>")
    assert "Secret" not in text
    assert "Open" in text


@settings(max_examples=300, deadline=None)
@given(
    sheet=st.text(alphabet="ax.#>,*[]=~^$'\"{};:@!/\\ \n-0()", max_size=80),
    style=st.one_of(
        st.text(alphabet="ax:;()#%-0.9e'\"\\/! ", max_size=40),
        st.tuples(
            st.sampled_from(["color", "font", "left", "clip", "clip-path", "transform", "inset", "opacity", "scale"]),
            st.text(alphabet="0123456789.-%px#rgbhsla(), einscotylr", max_size=30),
        ).map(":".join),
    ),
)
def test_piece_when_any_style_then_nothing_but_our_error_is_raised_and_words_are_never_made(
    sheet: str, style: str
) -> None:
    markup = f'<style>{sheet.replace("<", "")}</style><p style="{style.replace(chr(34), "")};position:fixed">word</p>'
    left = without_hidden(markup)
    assert left.count("word") <= 1


def test_piece_when_nothing_in_it_can_hide_then_it_is_the_same() -> None:
    for piece in ("A & B < C", "<p>One<br>two", "", "AT&amp;T <b>rose</b>"):
        assert without_hidden(piece) == piece
