"""Domains of mailbox providers, in which nobody else may write, and the domains of the hosts that send for them."""

from __future__ import annotations

from typing import Final

__all__ = ["provider_of"]

_PROVIDERS: Final = {
    "google.com": "gmail.com googlemail.com",
    "yahoo.com": "yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.it yahoo.es yahoo.co.in ymail.com rocketmail.com "
    "aol.com aim.com",
    "outlook.com": "outlook.com outlook.de outlook.fr hotmail.com hotmail.co.uk hotmail.de hotmail.fr live.com msn.com",
    "apple.com": "icloud.com me.com mac.com",
    "gmx.net": "gmx.de gmx.net gmx.at gmx.ch gmx.com web.de mail.com",
    "mail.ru": "mail.ru inbox.ru list.ru bk.ru",
    "yandex.net": "yandex.ru yandex.com ya.ru",
    "proton.ch": "proton.me protonmail.com pm.me",
    "qq.com": "qq.com foxmail.com",
    "163.com": "163.com 126.com yeah.net",
    "orange.fr": "orange.fr wanadoo.fr",
    "t-online.de": "t-online.de magenta.de",
    "yahoo.co.jp": "yahoo.co.jp",
}
_OWNERS: Final = {domain: owner for owner, domains in _PROVIDERS.items() for domain in domains.split()}
_HOSTS: Final = {
    "apple.com": ("apple.com", "icloud.com", "me.com"),
    "gmx.net": ("gmx.net", "gmx.com", "web.de", "mail.com", "kundenserver.de"),
    "proton.ch": ("proton.ch", "protonmail.ch", "protonmail.com"),
    "yahoo.com": ("yahoo.com", "yahoodns.net", "aol.com"),
    "outlook.com": ("outlook.com", "hotmail.com"),
    "163.com": ("163.com", "126.com", "netease.com"),
    "yandex.net": ("yandex.net", "yandex.ru"),
}


def provider_of(domain: str) -> tuple[str, ...]:
    """Return the registrable domains of the hosts that send for a provider's domain; none for another domain."""
    owner = _OWNERS.get(domain.lower())
    return _HOSTS.get(owner, (owner,)) if owner else ()
