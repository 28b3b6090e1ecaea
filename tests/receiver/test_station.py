"""Names, SMTP and storage together: what is said to hosts when nothing can be stored."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

import pytest

from conformance.receiver import client, dnswire
from conformance.receiver.announcement import Unkept, Unreached, token_of
from conformance.receiver.archive import Archive, Retention
from conformance.receiver.capture import Capture
from conformance.receiver.certificates import Certificates
from conformance.receiver.routes import Exchange, Site
from conformance.receiver.station import Station, bind
from tests.receiver.site import DOMAIN

PATIENCE = 60.0


def test_a_full_archive_puts_mail_off_and_loses_none(tmp_path: Path) -> None:
    async def go() -> None:
        archive = Archive(tmp_path / "db", Retention(captures=1))
        station = Station(Site(DOMAIN, (Exchange("mx1", ("127.0.8.1",)),)), archive, Certificates())
        smtp = bind("127.0.8.1", 0)
        assert station.trouble
        await station.start([smtp], [dnswire.bind("127.0.8.1", 0)])
        (address,) = await station.desk.open("ci", "accept", "plain", 1, 600)

        def deliver() -> tuple[int, bytes]:
            with smtplib.SMTP("127.0.8.1", smtp.getsockname()[1], "mx.example.com", PATIENCE) as host:
                host.ehlo()
                host.mail("a@example.com")
                host.rcpt(address)
                return host.data("Subject: x\r\n\r\nx\r\n")

        assert (await asyncio.to_thread(deliver))[0] == 250
        assert "all that may be" in station.trouble, "said before mail is put off"
        assert len((await station.desk.collect("ci", [token_of(address)])).bodies) == 1
        code, text = await asyncio.to_thread(deliver)
        assert code // 100 == 4, text
        assert "nothing can be stored" in station.trouble
        with pytest.raises(Unkept, match="1 sessions were answered 451 and could not be kept: 1 sessions are kept"):
            await station.desk.collect("ci", [token_of(address)])
        (other,) = await station.desk.open("ci", "accept", "plain", 1, 600)
        assert not (await station.desk.collect("ci", [token_of(other)])).bodies, "nothing of it was lost"
        await archive.drop(float("inf"), [])
        assert not station.trouble
        assert (await asyncio.to_thread(deliver))[0] == 250
        with pytest.raises(Unkept):
            await station.desk.collect("ci", [token_of(address)])
        await station.stop()
        again = Station(Site(DOMAIN, (Exchange("mx1", ("127.0.8.1",)),)), archive, Certificates())
        await again.start([bind("127.0.8.1", 0)], [dnswire.bind("127.0.8.1", 0)])
        assert "all that may be" in again.trouble
        with pytest.raises(Unkept, match="1 sessions were answered 451 and could not be kept: they came before"):
            await again.desk.collect("ci", [token_of(address)])
        assert not (await again.desk.collect("ci", [token_of(other)])).bodies
        await again.stop()

    asyncio.run(go())


class Faltering:
    """A receiver of which each answer is a number of sessions, or none at all."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)

    async def collect(self, _tokens: object) -> tuple[Capture, ...]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise Unreached("down")
        return (Capture("x", "x", "x", 1, "x", 25),) * answer


def _watch(receiver: Faltering, until: float) -> int | str:
    async def go() -> int | str:
        try:
            return len(await client.watch(receiver, ["t"], until, lambda found: len(found) == 2, 0.001))  # type: ignore[arg-type]
        except Unreached as error:
            return str(error)

    return asyncio.run(go())


def test_a_watch_outlives_a_restart_of_the_receiver() -> None:
    assert _watch(Faltering(0, None, None, 1, None, 2), PATIENCE) == 2
    assert _watch(Faltering(1), 0.01) == 1
    assert _watch(Faltering(1, None), 0.01) == "down", "nobody knows what came since"
