"""FiQA 2018 task 1: posts about securities, scored for each security that they are about (Maia et al. 2018)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from activities.adapters.labelled.rows import insist_on_file, not_utf8
from activities.adapters.labelled.values import NEUTRAL_BAND, parsed, shown, sign_label
from domain.errors import InvalidInput, SourceFormatError
from domain.evaluation import LabelledSentence


def read_fiqa(path: Path, *, neutral_band: float = NEUTRAL_BAND) -> Iterator[LabelledSentence]:
    """Yield one row for each target of each post, with the sign of that target's score.

    Expects a JSON object `{post id: {"sentence": text, "info": [{"target": name, "sentiment_score": "0.4"}, ...]}}`
    with scores in [-1, 1]. A score within `neutral_band` of zero is neutral. All rows of a post share its half.

    Raises:
        SourceFormatError: the file is not such a JSON object.
        InvalidInput: a post holds a value that is not allowed.
    """
    for post_id, post in _posts(path).items():
        if not isinstance(post, dict):
            raise _refused(path, post_id, "post", post, "an object")
        text = post.get("sentence")
        if not isinstance(text, str) or not text.strip():
            raise _refused(path, post_id, "sentence", text, "a text")
        targets = post.get("info")
        if not isinstance(targets, list) or not targets:
            raise _refused(path, post_id, "info", targets, "a list with at least one target")
        for number, target in enumerate(targets):
            yield _sentence(path, post_id, f"info[{number}]", text, target, neutral_band)


def _posts(path: Path) -> dict[str, Any]:
    insist_on_file(path)
    try:
        posts = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except json.JSONDecodeError as error:
        raise SourceFormatError(
            "SOURCE_NOT_READABLE", "Write it as one JSON object", path=path, line=error.lineno, found=error.msg
        ) from error
    if not isinstance(posts, dict):
        raise SourceFormatError(
            "SOURCE_NOT_READABLE",
            "Write it as one JSON object",
            path=path,
            line=1,
            found=type(posts).__name__,
            allowed="an object of posts by their id",
        )
    return posts


def _sentence(path: Path, post_id: str, place: str, text: str, target: Any, neutral_band: float) -> LabelledSentence:
    if not isinstance(target, dict):
        raise _refused(path, post_id, place, target, "an object")
    name = target.get("target")
    if not isinstance(name, str) or not name.strip():
        raise _refused(path, post_id, f"{place}.target", name, "a name")
    score = parsed(target.get("sentiment_score"))
    if score is None or not -1 <= score <= 1:
        field = f"{place}.sentiment_score"
        raise _refused(path, post_id, field, target.get("sentiment_score"), "a number from -1 to 1")
    return LabelledSentence(text=text, label=sign_label(score, neutral_band), split_key=text, company=name)


def _refused(path: Path, post_id: str, field: str, found: object, allowed: str) -> InvalidInput:
    return InvalidInput(
        "LABELLED_ROW_INVALID",
        "Correct the post or remove it",
        path=path,
        post=post_id,
        field=field,
        found=shown(found),
        allowed=allowed,
    )
