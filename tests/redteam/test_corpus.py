"""The corpus itself: large and wide enough, and readable by whoever reviews a change of it."""

from __future__ import annotations

import tomllib
from collections import Counter
from fnmatch import fnmatch

from domain.text import strip_invisible
from tests.conftest import REPOSITORY
from tests.redteam.corpus import FOLDER, documents

LEAST_DOCUMENTS = 72
LEAST_OF_A_CLASS = 6
CLASSES = frozenset(
    {"visible_orders", "hidden", "encoded", "multilingual", "fake_quotes", "fake_names", "schema_breaking", "authority"}
    | {"number_tricks", "delimiters", "prompt_leaking", "hype", "flooding", "taking_back"}
)


def test_corpus_when_counted_then_every_class_has_its_share() -> None:
    counts = Counter(document.kind for document in documents())
    assert set(counts) == CLASSES
    assert min(counts.values()) >= LEAST_OF_A_CLASS
    assert counts.total() >= LEAST_DOCUMENTS


def test_corpus_when_listed_then_ids_are_unique_and_files_hold_one_class() -> None:
    assert max(Counter(document.id for document in documents()).values()) == 1
    assert {file.stem for file in FOLDER.glob("*.json")} == CLASSES


def test_corpus_when_looked_over_then_every_form_wish_and_many_languages_are_in_it() -> None:
    found = documents()
    assert {document.form for document in found} == {"text", "html", "rss", "mail", "filing"}
    assert len({document.wants for document in found}) == 6
    assert len({document.language for document in found}) >= 9


def test_files_when_read_by_a_person_then_nothing_in_them_is_invisible() -> None:
    for file in FOLDER.glob("*.json"):
        written = file.read_text(encoding="utf-8")
        assert strip_invisible(written) == written, file.name


def test_corpus_when_the_platform_is_packaged_then_it_stays_behind() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = project["tool"]["setuptools"]["packages"]["find"]["include"]
    package = ".".join(FOLDER.relative_to(REPOSITORY).parts)
    assert packaged
    assert not any(fnmatch(package, pattern) for pattern in packaged)
