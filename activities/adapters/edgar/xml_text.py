"""The readable text of a form that is filed as XML: a line for each value, with its name in words."""

from __future__ import annotations

import re
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

MAXIMUM_TAGS = 1_000_000
_LONGEST_NAME = 100
_XML = re.compile(r"\s{0,100}<\?xml\b[^>]{0,500}>")
_ROOT = re.compile(r"\s{0,100}<([A-Za-z_][\w.:-]{0,100})[\s>]")
_HTML_ROOT = re.compile(r"<(?:html|!doctype\s{1,9}html)\b", re.IGNORECASE)
_HTML = frozenset({"html", "body", "div", "p", "table", "font", "center", "pre", "text", "document", "page", "b"})
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_.-]+")


def is_xml(body: str) -> bool:
    """Whether a document is XML other than a web page: it says so, or ends the element that it begins with."""
    if found := _XML.match(body):
        return not _HTML_ROOT.search(body, found.end(), 20_000)
    root = _ROOT.match(body)
    return root is not None and root[1].lower() not in _HTML and body[-1_000:].rstrip().endswith(f"</{root[1]}>")


def xml_text(body: str) -> str:
    """The values of an XML document in order, each as `name of issuer: ACME`; empty where it cannot be read."""
    if body.count("<") > MAXIMUM_TAGS:
        return ""
    try:
        root = fromstring(body.strip("\ufeff \t\r\n"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return ""
    lines: list[str] = []
    owner = ""
    for element in root.iter():
        name = element.tag.rpartition("}")[2][:_LONGEST_NAME] if isinstance(element.tag, str) else ""
        words = " ".join(_WORDS.sub(" ", name).lower().split())
        text = " ".join((element.text or "").split())
        if not text:
            owner = words
        else:
            # A value element is named by what it is the value of.
            lines.append(f"{owner if words == 'value' and owner else words}: {text}")
    return "\n".join(lines)
