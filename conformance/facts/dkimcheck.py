"""A second opinion on DKIM signatures: dkimpy, with the key and the time of arrival given to it."""

from __future__ import annotations

import logging
import re
import time
import warnings
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Final

from conformance.reading.dkimsig import Verdict
from conformance.reading.message import header_of

_LONGEST: Final = 2 * 1024 * 1024
_LONGEST_HEADER: Final = 256 * 1024
_MOST_HEADER_LINES: Final = 4_000
_LONGEST_SIGNATURE: Final = 8 * 1024
_MOST_STEPS: Final = 20_000_000
_BLANKS = re.compile(rb"[ \t]{2,}")
_SPACES = re.compile(rb"\s{2,}")

_now: ContextVar[float | None] = ContextVar("now", default=None)


class _Clock:
    """Stands for the module ``time``: a signature is judged as of when it came."""

    @staticmethod
    def time() -> float:
        now = _now.get()
        return time.time() if now is None else now


@cache
def _dkimpy() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import dkim

    module: ModuleType = dkim
    module.__dict__["time"] = _Clock
    return module


@cache
def _silent() -> logging.Logger:
    logger = logging.Logger("silent", logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    return logger


def _affordable(message: bytes, signature: bytes) -> bool:
    """Say whether dkimpy is done soon: its patterns take steps by the square of what is blank, its folds are copied."""
    if len(message) > _LONGEST or len(signature) > _LONGEST_SIGNATURE:
        return False
    header, body = header_of(message)
    if len(header) > _LONGEST_HEADER or header.count(b"\n") > _MOST_HEADER_LINES:
        return False
    return _squares(_SPACES, header) + _squares(_BLANKS, body) < _MOST_STEPS


def _squares(pattern: re.Pattern[bytes], octets: bytes) -> int:
    return sum((found.end() - found.start()) ** 2 for found in pattern.finditer(octets))


def second_opinion(message: bytes, place: int, signature: bytes, record: str, now: float) -> Verdict | None:
    """Return what dkimpy says of the signature at a place, counted from 0 and from above; None where it is not asked.

    ``signature`` is the field, ``record`` the text at its selector, ``now`` when the message came in seconds since
    1970. Messages with which dkimpy could be kept busy for long are not shown to it.
    """
    if not _affordable(message, signature):
        return None
    dkim = _dkimpy()
    token = _now.set(now)
    try:
        verifier = dkim.DKIM(message, logger=_silent())
        held = verifier.verify(place, dnsfunc=lambda name, timeout=5: record.encode("latin-1", "replace"))
    except dkim.NaClNotFoundError:
        return None
    except dkim.DKIMException as error:
        return Verdict("permerror", str(error)[:200])
    except Exception as error:
        return Verdict("permerror", f"{type(error).__name__}: {error}"[:200])
    finally:
        _now.reset(token)
    return Verdict("pass" if held else "fail")
