"""Sign-in and limits of the API, put together from the settings."""

from __future__ import annotations

from activities.adapters.oidc import OidcConfig, OidcProvider
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from api.throttle import Limits, Rate
from domain.errors import ConfigurationError
from domain.people import valid_name
from workers.settings import Settings

CALLBACK = "/v1/session/oidc/callback"
_SHARE_AT_ONCE = 4
"""A quarter of a minute's requests may come at once."""


def limits(settings: Settings) -> Limits:
    return Limits(
        requests=_rate(settings.api_requests_per_minute),
        heavy=_rate(settings.api_heavy_per_minute),
        sign_in=_rate(settings.api_sign_ins_per_minute),
    )


def oidc_provider(settings: Settings) -> OidcProvider | None:
    """The provider that the settings name; None where they name none.

    Raises:
        ConfigurationError: naming the variable that is missing.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise ConfigurationError(
            "SETTING_MISSING", "Give the client that the provider knows us by", variable="STONKS_OIDC_CLIENT_ID"
        )
    base = settings.public_url.rstrip("/") or f"http://127.0.0.1:{settings.api_port}"
    own = frozenset({settings.oidc_own_server} if settings.oidc_own_server else ())
    config = OidcConfig(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        redirect_url=base + CALLBACK,
        name=settings.oidc_name,
    )
    return OidcProvider(config, UrlGuard(GuardPolicy(own_servers=own)))


def oidc_people(settings: Settings) -> dict[str, str]:
    """Names by addresses of mail or subjects.

    Raises:
        ConfigurationError: an entry has another form.
    """
    found: dict[str, str] = {}
    for entry in filter(None, (each.strip() for each in settings.oidc_people.split(","))):
        account, equals, name = (part.strip() for part in entry.rpartition("="))
        if not equals or not account or ("@" not in account and not account.startswith("sub:")):
            raise ConfigurationError(
                "SETTING_INVALID",
                "Write anna@example.com=anna or sub:248289761001=ben, separated by commas",
                variable="STONKS_OIDC_PEOPLE",
                found=entry[:100],
            )
        found[account if account.startswith("sub:") else account.casefold()] = valid_name(name)
    return found


def _rate(per_minute: float) -> Rate:
    return Rate(per_minute=per_minute, burst=max(1, round(per_minute / _SHARE_AT_ONCE)))
