"""Dates in messages (RFC 5322 section 3.3), with what of the obsolete syntax they use (section 4.3)."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Final

from conformance.reading.comments import CommentError, strict_without_comments

__all__ = ["DateError", "MailDate", "read_date"]


class DateError(ValueError):
    """A text is no date; the message says why."""


@dataclass(frozen=True, slots=True)
class MailDate:
    """A date. ``obsolete`` says what of it must not be written any more."""

    moment: datetime.datetime
    """With its zone."""
    obsolete: tuple[str, ...] = ()


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ZONES: Final = {
    "ut": 0,
    "gmt": 0,
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
}
_LONGEST = 1000

_DATE = re.compile(
    r"(?:(?P<weekday>[A-Za-z]+)\s*(?P<comma>,)\s*)?(?P<day>\d{1,2})(?P<space>\s*)(?P<month>[A-Za-z]{3,9})\s*(?P<year>\d{2,6})"
    r"\s+(?P<hour>\d{1,2})\s*:\s*(?P<minute>\d{1,2})(?:\s*:\s*(?P<second>\d{1,2}))?\s*(?P<zone>[+-]\d{1,6}|[A-Za-z]+)?",
    re.ASCII,
)


def read_date(text: str) -> MailDate:
    """Read an unfolded field body. Raises DateError."""
    try:
        bare, commented = strict_without_comments(text[:_LONGEST])
    except CommentError as error:
        raise DateError(str(error)) from None
    bare = bare.strip(" \t\r\n")
    if not bare:
        raise DateError("it is empty")
    if len(text) > _LONGEST or (match := _DATE.fullmatch(bare)) is None:
        raise DateError("it is not of the form 'Mon, 02 Mar 2026 09:00:00 +0000'")
    obsolete: list[str] = []
    year = _year(match["year"], obsolete)
    if (month := match["month"].lower()) not in _MONTHS:
        raise DateError(f"there is no month {match['month']!a}")
    zone = _zone(match["zone"], obsolete)
    if commented and "(" in text.partition(":")[0]:
        obsolete.append("it has a comment before its zone")
    moment = _moment(match, year, _MONTHS.index(month) + 1, zone)
    weekday = match["weekday"]
    if weekday and weekday.lower() not in _DAYS:
        raise DateError(f"there is no day of the week {weekday!a}")
    if weekday and _DAYS.index(weekday.lower()) != moment.weekday():
        raise DateError(f"its day of the week is {weekday}, the date falls on {_DAYS[moment.weekday()].title()}")
    return MailDate(moment, tuple(obsolete))


def _year(digits: str, obsolete: list[str]) -> int:
    year = int(digits)
    if len(digits) >= 4:
        if year < 1900:
            raise DateError(f"its year {digits} lies before 1900")
        return year
    obsolete.append(f"its year has {len(digits)} digits")
    return year + (2000 if len(digits) == 2 and year < 50 else 1900)


def _zone(zone: str | None, obsolete: list[str]) -> datetime.timezone:
    if zone is None:
        raise DateError("it has no zone, such as +0000")
    if zone[0] in "+-":
        if len(zone) != 5:
            raise DateError(f"its zone {zone} is not of four digits")
        hours, minutes = int(zone[1:3]), int(zone[3:])
        if minutes > 59 or hours > 23:
            raise DateError(f"there is no zone {zone}")
        offset = datetime.timedelta(hours=hours, minutes=minutes)
        return datetime.timezone(-offset if zone[0] == "-" else offset)
    obsolete.append(f"its zone is {zone} and no number")
    if zone.lower() not in _ZONES and not (len(zone) == 1 and zone.lower() != "j"):
        raise DateError(f"its zone {zone!a} is no zone of mail; write a number such as +0000")
    return datetime.timezone(datetime.timedelta(hours=_ZONES.get(zone.lower(), 0)))


def _moment(match: re.Match[str], year: int, month: int, zone: datetime.timezone) -> datetime.datetime:
    second = int(match["second"] or 0)
    try:
        # A leap second is a second of its own in mail, not in Python.
        return datetime.datetime(
            year, month, int(match["day"]), int(match["hour"]), int(match["minute"]), min(second, 59), tzinfo=zone
        )
    except (ValueError, OverflowError) as error:
        raise DateError(f"there is no such date: {error}") from None
    finally:
        if second > 60:
            raise DateError(f"its seconds are {second}")
