"""Comments in structured header fields (RFC 5322 section 3.2.2): they nest, and stand nowhere in quoted strings."""

from __future__ import annotations

import re

__all__ = ["CommentError", "strict_without_comments", "without_comments"]

_PART = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[^()\\\"]+|\\.|[()\\\"]", re.DOTALL)


class CommentError(ValueError):
    """A comment does not end, or ends and never began."""


def strict_without_comments(text: str) -> tuple[str, bool]:
    """Return a text with a blank for each comment, and whether there was one. Raises CommentError."""
    kept, depth, found = _parted(text)
    if depth < 0:
        raise CommentError("a comment ends that never began")
    if depth:
        raise CommentError("a comment does not end")
    return kept, found


def without_comments(text: str) -> str:
    """Return a text with a blank for each comment; unchanged where its parentheses do not match."""
    kept, depth, _ = _parted(text)
    return text if depth else kept


def _parted(text: str) -> tuple[str, int, bool]:
    """Return a text without comments, how deep it ends (below zero: too many ends), and whether there was one."""
    if "(" not in text and ")" not in text:
        return text, 0, False
    depth, kept, at = 0, list[str](), 0
    while (part := _PART.match(text, at)) is not None:
        piece = part[0]
        if depth and piece.startswith('"'):
            # Quotes mean nothing inside a comment.
            piece = '"'
        at += len(piece)
        depth += (piece == "(") - (piece == ")")
        if depth < 0:
            return text, depth, True
        if depth == 0:
            kept.append(" " if piece == ")" else piece)
    return "".join(kept), depth, True
