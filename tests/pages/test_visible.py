"""What a reader does not see is not read; what they see is."""

from __future__ import annotations

import pytest

from activities.adapters.pages.page import parse_page
from activities.adapters.visible import without_hidden

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
        "display:none;display:shown",
        "display:none;display:block !importent",
        "display:none;x:{;display:block;}",
        "display:none;x:(;display:block;)",
        "x:);display:none",
        "display:none;display block",
        "content-visibility:hidden",
        "visibility:hidden;visibility:seen",
        "opacity:0;opacity:one",
        "position:absolute;left:-9999px;left:5",
        "position:absolute;left:-9999px;left:5parsecs",
        "position:absolute;position:normal;left:-9999px",
        "color:#fff;color:ink",
        "color:#fff;color:333333",
        "color:#fff;background:#000 solid",
        "font-size:0;font-size:20",
        "font-size:0;font:bold",
        "clip-path:inset(100%);clip-path:open",
        "height:0;overflow:hidden;overflow:open",
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
        "color:white;color:thistle",
        "display:none;display:inline-flex",
        "font-size:0;font:bold 12px/1.4 'A',serif",
        "color:white;background:rgb(0 0 0 / 90%) url() no-repeat 50% 50% / cover",
        "color:white;background:no-repeat navy",
        "left:-9999px;position:absolute;left:calc(1px + 2px)",
        "height:0;overflow:hidden;height:auto",
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
        (".x{display:none}.y{z:(}.x{display:block})}", "class=x"),
        (".x{display:none}@media (made-up){.x{display:block}}", "class=x"),
        (".x{display:none}@supports (made:up){.x{display:block}}", "class=x"),
        (".x{display:none}@media print{.x{display:block}}", "class=x"),
        (".x{display:none}@media (screen){.x{display:block}}", "class=x"),
        (".x{display:none}@media screen and{.x{display:block}}", "class=x"),
        (".x{display:none}@media (min-width:1){.x{display:block}}", "class=x"),
        (".x{display:none}</style><style type=text/plain>.x{display:block}", "class=x"),
        (".x{display:none}</style><style media=print>.x{display:block}", "class=x"),
        (".x{display:none}</style><style title=other>.x{display:block}", "class=x"),
        (".x{display:none}</style><link rel='alternate stylesheet' href='data:text/css,.x{display:block}'>", "class=x"),
        (".x{display:none}</style><link rel=stylesheet href='data:text/plain,.x{display:block}'>", "class=x"),
        (".x{display:none}</style><link rel=stylesheet disabled href='data:text/css,.x{display:block}'>", "class=x"),
        (".x{display:none}</style><noscript><style>.x{display:block}</style></noscript>", "class=x"),
        (".x{display:none}@keyframes x{.x{display:block}}", "class=x"),
        (".x{display:none}.x,:made-up{display:block}", "class=x"),
        (".x{display:none}.x,..{display:block}", "class=x"),
        ("a:hover,.x{display:none}", "class=x"),
        ("a::before, .x , b:not(.c)>d:nth-child(2n+1){display:none}", "class=x"),
        (".y + .z, .x{display:none}", "class=x"),
        (":made-up,.x{display:none}", "class=x"),
        ("@supports not (display:made-up){.x{display:none}}", "class=x"),
        ("@supports (made:up){.x{display:none}}", "class=x"),
        ("@media (made-up){.x{display:none}}", "class=x"),
        ("@layer a{.x{display:none!important}}.x{display:block!important}", "class=x"),
        (".x{display:none;.y{display:block}}", "class=x"),
        (".x{.y{display:block} display:none}", "class=x"),
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
        (".x{display:none}.x,a:hover{display:block}", "class=x"),
        (".x{display:none}.x,b:not(.c)::after{display:block}", "class=x"),
        ("@layer a{.x.x.x{display:none}}.x{display:block}", "class=x"),
        ("@supports (display:grid){.x{display:block}}", "class=x"),
        (".y{.x{display:none}}", "class=x"),
        ("@media screen{.x{display:block}}@media print{.x{display:none}}", "class=x"),
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
<figure><img src="a.jpg" alt="One falls"><figcaption class="caption">Anvils in Tucson, Arizona.</figcaption></figure>
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


@pytest.mark.parametrize(
    ("doctype", "is_read"),
    [
        ("", False),
        ("<!doctype other>", False),
        ("<!DOCTYPE html PUBLIC '-//W3C//DTD HTML 3.2 Final//EN'>", False),
        ("<!DOCTYPE html>", True),
        ("<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'http://www.w3.org/xhtml1-strict.dtd'>", True),
    ],
)
@pytest.mark.parametrize("hidden", ["<p class=x>Words</p>", "<p style='position:absolute;left:-9999'>Words</p>"])
def test_text_when_only_the_rules_for_old_pages_hide_it_then_the_declaration_decides(
    doctype: str, is_read: bool, hidden: str
) -> None:
    style = "<style>.X{display:none}</style>"
    markup = f"{doctype}<html><head>{style}</head><body>{ABOVE}{hidden}{BELOW}</body></html>"
    text = parse_page(markup.encode(), "text/html", "https://pages.example/a").text
    assert ("Words" in text) is is_read


@pytest.mark.parametrize(
    ("link", "is_read"),
    [
        ("rel=stylesheet href='data:text/css,.x%7Bdisplay:none%7D'", False),
        ("rel='alternate Stylesheet' href='DATA:text/css;charset=utf-8,.x{display:none}'", False),
        ("rel=stylesheet href='data:text/css;base64,LnhbY2xhc3Nde2Rpc3BsYXk6bm9uZX0='", False),
        ("rel=stylesheet href='data:text/css;base64,LnhbY2x'", True),
        ("rel=stylesheet media=print href='data:text/css,.x{display:none}'", True),
        ("rel=icon href='data:text/css,.x{display:none}'", True),
        ("rel=stylesheet href='https://pages.example/a.css'", True),
    ],
)
def test_text_when_a_link_holds_the_sheet_then_it_is_heeded_and_no_other_is_fetched(link: str, is_read: bool) -> None:
    assert ("Words" in text_of("<p class=x>Words of the board</p>", f"<link {link}>")) is is_read


def test_link_when_its_surroundings_are_white_then_it_has_its_own_colour() -> None:
    text = text_of("<p style='color:#fff'>Secret <a href='/b'>Open plan</a> <a>Secret</a></p>")
    assert "Open plan" in text
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


def test_piece_when_nothing_in_it_can_hide_then_it_is_the_same() -> None:
    for piece in ("A & B < C", "<p>One<br>two", "", "AT&amp;T <b>rose</b>"):
        assert without_hidden(piece) == piece
