"""Files that are whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_atomic(path: str | os.PathLike[str], text: str | Iterable[str]) -> None:
    """Replace a file's content by ``text`` in UTF-8, so that a reader, or a kill, sees the old or the new file.

    ``text`` may come in parts, so that not all of it is in memory at once. Raises OSError as opening and writing do,
    and leaves the old file and nothing else behind.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
