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

_LONGEST: Final = 4 * 1024 * 1024
_LONGEST_SIGNATURE: Final = 16 * 1024
_LONG_BLANKS = re.compile(rb"[ \t]{2000}|(?:[ \t]*\r?\n[ \t]+){200}")
"""What dkimpy's patterns take more than linear time for."""

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


def second_opinion(message: bytes, place: int, signature: bytes, record: str, now: float) -> Verdict | None:
    """Return what dkimpy says of the signature at a place, counted from 0 and from above; None where it is not asked.

    ``signature`` is the field, ``record`` the text at its selector, ``now`` when the message came in seconds since
    1970. Messages with which dkimpy could be kept busy for long are not shown to it.
    """
    if len(message) > _LONGEST or len(signature) > _LONGEST_SIGNATURE or _LONG_BLANKS.search(message):
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
