"""Tells what is new, and no more: people by mail through this machine's sendmail, programs by webhook."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import urlsplit

from conformance.report import news
from conformance.report.grouping import Results

SECONDS = 20.0
"""Longest wait for one of them."""
_ADDRESS = re.compile(r"mailto:(?P<address>[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253})")


def problem(target: str) -> str:
    """Return what is wrong with a target; nothing for ``mailto:ADDRESS`` and ``https://...``."""
    if target.startswith("mailto:"):
        return "" if _ADDRESS.fullmatch(target) else f"{target!r} is not of the form mailto:ADDRESS"
    if _ADDRESS.fullmatch(f"mailto:{target}"):
        return f"{target!r} is an address: write it as mailto:{target}"
    try:
        parts = urlsplit(target)
        host = parts.hostname or ""
    except ValueError:
        return f"{target!r} is no address of a webhook"
    if parts.scheme == "https" and host:
        return ""
    if parts.scheme == "http" and _is_here(host):
        return ""
    return f"{_shown(target)!r} is neither mailto:ADDRESS nor https://..."


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(target: str) -> str:
    """Return a target without what may be a secret: a webhook's path and query often are one."""
    if target.startswith("mailto:"):
        return target
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.hostname or ''}/..."


def notify(targets: Sequence[str], results: Results) -> Iterator[str]:
    """Tell the news to each target, where there are any. Yields what went wrong, without secrets."""
    if not news.is_news(results):
        return
    for target in targets:
        try:
            if target.startswith("mailto:"):
                _mail(target.removeprefix("mailto:"), results)
            else:
                _post(target, results)
        except Exception as error:
            yield f"{_shown(target)} was not told: {_why(error)}"


def _why(error: Exception) -> str:
    """Return what went wrong. The words of an HTTP client are left out: the address may stand in them."""
    import httpx

    if isinstance(error, subprocess.TimeoutExpired | httpx.TimeoutException):
        return f"no answer in {SECONDS:g} s"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__


def _mail(address: str, results: Results) -> None:
    message = EmailMessage(policy=SMTP)
    message["To"] = address
    message["Subject"] = news.subject(results)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(news.lines(results)) + "\n")
    text = message.as_bytes(policy=SMTP.clone(linesep="\n"))
    if shutil.which("sendmail") is None:
        raise FileNotFoundError(errno.ENOENT, f"no sendmail in {os.environ.get('PATH', '') or 'an empty PATH'}")
    done = subprocess.run(["sendmail", "-i", "-t"], input=text, check=False, timeout=SECONDS, capture_output=True)
    if done.returncode:
        raise OSError(done.returncode, f"sendmail ended with status {done.returncode}")


def _post(target: str, results: Results) -> None:
    import httpx

    with httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as client:
        body = json.dumps(news.payload(results))
        answer = client.post(target, content=body, headers={"Content-Type": "application/json"})
    if not answer.is_success:
        raise OSError(answer.status_code, f"the answer was {answer.status_code}")
