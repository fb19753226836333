"""Settings: vendors' keys by reference, from variables, files and a directory; limits by group and kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from domain.sources import LIMITED_KINDS, RateGroup
from workers.settings import load


def test_credentials_when_given_in_three_ways_then_each_is_found_by_its_reference(tmp_path: Path) -> None:
    file = tmp_path / "fred"
    file.write_text("from-a-file\n")
    folder = tmp_path / "vendors"
    folder.mkdir()
    (folder / "imap_password").write_text("from-the-folder\n")
    (folder / "polygon_api_key").write_text("overruled")
    (folder / ".hidden").write_text("never")

    settings = load(
        {
            "STONKS_CREDENTIAL_POLYGON_API_KEY": "from-a-variable",
            "STONKS_CREDENTIAL_FRED_API_KEY_FILE": str(file),
            "STONKS_CREDENTIALS_DIR": str(folder),
        }
    )

    found = {name: secret.get_secret_value() for name, secret in settings.credentials.items()}
    assert found == {
        "polygon_api_key": "from-a-variable",
        "fred_api_key": "from-a-file",
        "imap_password": "from-the-folder",
    }
    assert "from-" not in repr(settings)


def test_credential_file_when_missing_then_the_error_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        load({"STONKS_CREDENTIAL_FRED_API_KEY_FILE": str(tmp_path / "none")})
    assert error.value.code == "SECRET_FILE_UNREADABLE"


def test_rates_when_nothing_is_set_then_every_group_and_kind_has_one_and_edgar_stays_below_ten() -> None:
    settings = load({})
    assert all(settings.rate(group) for group in RateGroup if group is not RateGroup.FILES)
    assert settings.rate(RateGroup.FILES) is None
    assert all(settings.rate_of_kind(kind) > 0 for kind in LIMITED_KINDS)
    assert (settings.rate(RateGroup.EDGAR) or 0) < 10


def test_rate_when_it_would_get_one_blocked_then_it_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        load({"STONKS_RATE_EDGAR": "11"})
    assert "STONKS_RATE_EDGAR" in str(error.value)


def test_notification_secrets_when_given_then_they_are_found_by_name_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "smtp_password").write_text("from-the-folder\n")
    settings = load(
        {
            "STONKS_NOTIFY_DIR": str(tmp_path),
            "STONKS_NOTIFY_SECRET_HOOK": "from-a-variable",
            "STONKS_NOTIFY_OWN_SERVERS": "127.0.0.1:9000, mail.lan:25",
        }
    )

    found = {name: secret.get_secret_value() for name, secret in settings.notify_secrets.items()}
    assert found == {"smtp_password": "from-the-folder", "hook": "from-a-variable"}
    assert settings.own_receivers() == {"127.0.0.1:9000", "mail.lan:25"}
    assert "from-" not in repr(settings)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a.example/?x=1", 'https://a.example/"><b>', "stonks"])
def test_public_url_when_it_is_no_plain_address_then_it_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="STONKS_PUBLIC_URL"):
        load({"STONKS_PUBLIC_URL": url})
