"""`stonks backfill` against running servers."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from cli.output import report_error
from domain.errors import StonksError
from tests.backfill.archive import Archive, stories
from tests.conftest import REPOSITORY, clean_environment


async def _stonks(archive: Archive, *arguments: str) -> tuple[int, str, str]:
    """Run the real command, with servers that the environment names."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        "backfill",
        *arguments,
        cwd=REPOSITORY,
        env={**clean_environment(), **archive.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_command_when_it_ends_then_it_reports_what_came_of_the_file(archive: Archive) -> None:
    rows = stories(20)
    path = archive.file([*rows, rows[0], ("NOSUCH", *rows[1][1:])], name="Old News 2014")
    options = ("--publisher", "Example Wire", "--credibility", "wire", "--as-published")

    async with archive.working():
        code, out, err = await _stonks(archive, str(path), *options, "--json")
        again_code, again, _ = await _stonks(archive, str(path), *options)

    assert (code, again_code) == (0, 0), err
    report = json.loads(out)
    counts = report["report"]
    assert (counts["read"], counts["registered"], counts["rejected"], report["source_id"]) == (
        22,
        20,
        2,
        "old-news-2014",
    )
    assert report["reasons"] == {"DUPLICATE_DOCUMENT": 1, "UNKNOWN_TICKER": 1}
    assert (report["read"]["processed"], report["as_published"]) == (20, True)
    assert report["records_per_second"] > 0
    lines = {line.split()[0]: line.split()[1] for line in again.splitlines() if line.strip()}
    assert (lines["read"], lines["registered"], lines["duplicates"], lines["evidence"]) == ("22", "0", "20", "0")
    documents = await archive.rows("documents", "old-news-2014")
    assert {(row["publisher"], row["credibility"]) for row in documents} == {("Example Wire", "wire")}


async def test_command_when_the_backfill_fails_then_it_says_why_and_how_to_go_on(archive: Archive) -> None:
    path = archive.directory / "columns.csv"
    path.write_text("neither,of,them\n1,2,3\n", encoding="utf-8")
    async with archive.working():
        code, out, err = await _stonks(archive, str(path))
    assert (code, out) == (1, "")
    assert "BACKFILL_FAILED" in err
    assert "dead-letters retry backfill/" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nothing.csv",), "FILE_NOT_FOUND"),
        (("--credibility", "rumour", "."), "CHOICE_INVALID"),
        (("--source-id", "Not An Id", "."), "SOURCE_ID_INVALID"),
    ],
)
def test_request_when_an_option_does_not_do_then_nothing_is_started(arguments: tuple[str, ...], code: str) -> None:
    from typer.testing import CliRunner

    from cli.main import app

    found = CliRunner().invoke(app, ["backfill", *arguments])
    assert isinstance(found.exception, StonksError)
    assert found.exception.code == code
    report_error(found.exception)


def test_id_when_the_content_is_the_same_then_it_is_the_same_wherever_the_file_lies(tmp_path: Path) -> None:
    from cli.commands.backfill import _request

    one, other = tmp_path / "a.csv", tmp_path / "sub" / "a.csv"
    other.parent.mkdir()
    for path in (one, other):
        path.write_text("title,published_at\nA,2014-01-01\n", encoding="utf-8")
    ids = {_request(path, "", "", "wire", as_published=False).backfill_id for path in (one, other)}
    assert len(ids) == 1
    assert _request(one, "", "", "wire", as_published=True).backfill_id not in ids
