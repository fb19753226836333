"""What notifications are sent with, made from the settings. The only part that holds what telling people needs."""

from __future__ import annotations

from contextlib import AsyncExitStack

from activities.adapters.notify.smtp import Security, SmtpMessenger, SmtpSettings
from activities.adapters.notify.sns import SnsMessenger, SnsSettings
from activities.adapters.notify.webhook import WebhookMessenger
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from activities.ports import Messenger
from workers.settings import Settings


def messengers_of(settings: Settings, until: AsyncExitStack) -> dict[str, Messenger]:
    """By kind of channel. Connections are closed with `until`."""
    secrets = settings.notify_secrets
    smtp = SmtpSettings(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=Security(settings.smtp_security),
        user=settings.smtp_user,
        sender=settings.smtp_from,
        own_server=f"{settings.smtp_host}:{settings.smtp_port}" in settings.own_receivers(),
    )
    hooks = WebhookMessenger(UrlGuard(GuardPolicy(own_servers=settings.own_receivers())), secrets)
    until.push_async_callback(hooks.aclose)
    return {
        "email": SmtpMessenger(smtp, secrets),
        "sns": SnsMessenger(SnsSettings(endpoint=settings.sns_endpoint), secrets),
        "webhook": hooks,
    }
