"""The words that tell who gave a name: an access network, a hoster, a mail administrator, or nobody.

Words are whole: runs of letters between anything else. A word inside another one proves nothing (``dial`` in
``dialog``), so the few exceptions are spelled out. No word is a provider's name.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "HOME_MADE",
    "HOSTING",
    "LOOSE",
    "SERVER",
    "STATIC",
    "VACANT",
    "is_access",
    "is_mail",
    "is_subscriber",
    "is_vacant",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ACCESS: Final = _words(
    # addresses that change hands
    "dyn dyna dynamic dynip dynamicip ipdyn dyndns ddns dhcp bootp lease pool pools pooles "
    # the same in other languages
    "dinamic dinamico dinamica dinamik dinamis dynamique dynamisch "
    # telephone lines
    "dial dials dialup dialin dialer dip pstn isdn modem modems ppp pptp pppoe pppoa "
    # lines over copper, coax and glass; the DSL family is matched by its form
    "catv docsis broadband breitband bredband bandalarga bandaancha hsd hsi hfc ftth fttb fttc fttn fttx gpon epon "
    # radio
    "gprs umts cdma evdo hspa hsdpa lte wimax wwan wll hotspot "
    # what stands at either end of the line
    "cpe dslam cmts bras lns nrp bng ggsn pdsn "
    # homes
    "resnet dorm dorms abo"
)
"""Access technology: no mail host is called that, so any number beside it will do."""

_SUBSCRIBER: Final = _words(
    # the line
    "cable cables cablemodem modemcable kabel cabo mobile mobil movil mob cell cellular fiber fibre fibra glasfaser "
    "wifi wlan wireless "
    # and whose it is, in the words of those who bill it
    "client clients cliente clientes klient kunde kunden cust custs customer customers user users usr usuario usuarios "
    "utente utenti sub subs subscr subscriber subscribers abonent abonents abonne abonnes res residential guest guests "
    "student students"
)
"""Whose line it is. A mail host may say so too (`cust-notify1`): it takes two numbers."""

LOOSE: Final = _words(
    "access acc ap nat port ports zone line slot range ip ips rev revip reverse flat home lan eth cm ont onu olt tnt "
    "ras inet internet vpn"
)
"""Places in a network: evidence only beside the address's octets or many digits."""

STATIC: Final = _words(
    "static statics statik statisch statico statica estatico estatica estat statip staticip ipstatic stat sta fix fixe "
    "fixed fixedip fixip ipfix fest feste fija fijo fisso dedicated leased business biz busi"
)
"""The provider's own words for a line with a lasting address, and for who pays for that."""

HOSTING: Final = _words(
    "vps vds vm vmi xvm kvm xen virt ec compute cloud cloudvps instance instances droplet members colo dedi hosting "
    "hosted webhost host hosts node server servers srv serv rdns"
)
"""Machines by the dozen, mostly rented: generic when the rest of the name is the address or a serial number."""

SERVER: Final = _words("web www srv server app apps api db sql svc prod node worker lb proxy cache cdn")
"""What companies call machines that they have in thousands: a serial number alone says nothing there."""

_MAIL: Final = _words(
    # role
    "mx mxs mxin mxout mxa mxb mxc mta mtas msa mda out outbound outgoing mout mo relay relays sender senders sending "
    "delivery deliver gw gateway smarthost edge esa seg "
    # kinds of mail
    "newsletter newsletters news bounce bounces notify notifier notification notifications notice alerts list lists "
    "listserv marketing campaign campaigns bulk transactional noreply "
    # programs
    "postfix exim qmail exchange exch zimbra mailman majordomo ironport spam spamfilter antispam filter "
    # the post in other languages
    "post posta poste poczta correo correio courriel courrier"
)
"""The owner says that the machine sends mail."""

HOME_MADE: Final = _words("lan home intra intranet corp localnet private")
"""Top-level domains that people invent; none is delegated."""

_MAIL_PARTS: Final = re.compile(r"mail|smtp|mta$")
"""Long enough to mean mail within a word too: ``webmail``, ``smtpout``, ``mailrelay``; ``mta`` only at its end."""

_DSL: Final = re.compile(r"[a-z]{0,2}dsl[a-d]?|ppp[a-d]|dyn(?:adsl|dsl)")
"""The DSL family with its letters before (``adsl``, ``vdsl``) and a pool's letter after (``dslb``, ``pppa``)."""

_LONG: Final = re.compile(
    "catv|adsl|vdsl|xdsl|dhcp|pppoe|broadband|dialup|dialin|docsis|ftth|fttb|fttx|wimax|gprs|umts|cablemodem"
)
"""Access words that no ordinary word begins or ends with, so that a place's name may be glued to them."""

VACANT: Final = _words("default none null nobody dummy empty spare vacant available void")
"""Says that nobody chose a name only when it is all there is below the domain."""

_VACANT: Final = _words(
    "unassigned unallocated undefined unknown unused unset unnamed unconfigured reserved notassigned notallocated "
    "notused notset nodns nohost nohostname noname changeme placeholder invalid localhost"
)
"""Says that nobody chose a name when it is a label by itself, whatever digits stand beside it."""

_VACANT_PARTS: Final = re.compile(
    "^(hostedby|unassigned|unallocated|notassigned|notallocated|unused|default(rdns|ptr|host|reverse))"
    "|(no|not|set|your)(ptr|rdns|reverse|revdns)|(ptr|rdns|reverse|revdns|hostname)(not|un)(set|configured|defined)"
)
"""The same, glued or hyphenated to more: ``no-ptr-yet``, ``rdns-not-set``, ``hosted-by-us``."""


def is_access(word: str) -> bool:
    """Whether a word names access technology, alone or glued to another listed word (``dynpool``)."""
    if word in _ACCESS or _DSL.fullmatch(word):
        return True
    if any(m.start() == 0 or m.end() == len(word) for m in _LONG.finditer(word)):
        return True
    cuts = range(3, min(len(word) - 2, 15))
    return any(_is_pair(word[:at], word[at:]) or _is_pair(word[at:], word[:at]) for at in cuts)


def _is_pair(access: str, other: str) -> bool:
    known = other in _ACCESS or other in _SUBSCRIBER or other in STATIC or other in LOOSE
    return known and (access in _ACCESS or _DSL.fullmatch(access) is not None)


def is_subscriber(word: str) -> bool:
    """Whether a word says whose line it is."""
    return word in _SUBSCRIBER


def is_mail(word: str) -> bool:
    """Whether a word says that the machine handles mail."""
    return word in _MAIL or _MAIL_PARTS.search(word) is not None


def is_vacant(letters: str) -> bool:
    """Whether the letters of one label say that nobody has chosen a name."""
    return letters in _VACANT or _VACANT_PARTS.search(letters) is not None
