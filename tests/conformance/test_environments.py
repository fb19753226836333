"""Where a client's environment cannot be made, its tests are skipped and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import environments
from tests.conformance.outside import VARIABLE, require


def test_suite_when_its_folder_is_wrong_then_the_reason_is_kept_and_named_by_the_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "CLIENTS", ())
    monkeypatch.setenv(environments.SUITE_VARIABLE, str(tmp_path / "nowhere"))
    (line,) = environments.make(tmp_path / "made")
    assert "has no folder `tests`" in line
    monkeypatch.setenv(VARIABLE, str(tmp_path / "made"))
    with pytest.raises(pytest.skip.Exception, match="has no folder `tests`"):
        require(environments.SUITE)

    (tmp_path / "nowhere" / "tests").mkdir(parents=True)
    assert environments.make(tmp_path / "made") == [f"{environments.SUITE}: ready"]
    assert (require(environments.SUITE) / "tests").is_dir()


def test_environment_when_a_pin_cannot_be_installed_then_the_reason_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.txt").write_text("./no-such-package\n")
    (tmp_path / "suite" / "tests").mkdir(parents=True)
    monkeypatch.setattr(environments, "PINS", tmp_path)
    monkeypatch.setattr(environments, "CLIENTS", ("odd",))
    monkeypatch.setenv(environments.SUITE_VARIABLE, str(tmp_path / "suite"))
    lines = environments.make(tmp_path / "made")
    assert lines[0].startswith("odd: python failed: ERROR")
    assert lines[1] == f"{environments.SUITE}: ready"


def test_clients_when_not_asked_for_then_are_skipped_with_the_target_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="make conformance"):
        require("alpaca-trade-api")
