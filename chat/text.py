"""What may be said, and under which name. Pure: plain text in, cleaned text or a refusal out.

Nothing is escaped here: frames carry plain text, and pages show it as text, never as HTML.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

MAX_TEXT = 500
MIN_NAME, MAX_NAME = 2, 24
MAX_MARKS = 4

JOINERS = "\u200c\u200d"
# Letters and symbols by Unicode's table, but nothing is to be seen of them.
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
GUEST = re.compile(r"guest-\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """Why a frame is not obeyed: a code for programs, a sentence for people."""

    code: str
    detail: str
    retry_after: float | None = None


def clean_text(raw: str) -> str | Refusal:
    """The message without what is invisible or breaks the page's layout; at most MAX_TEXT."""
    text = re.sub("\r\n?|[\u0085\u2028\u2029\v\f]", "\n", raw).replace("\t", " ")
    text = "".join(char for char in text if char == "\n" or not _is_invisible(char))
    # Joiners make families of emoji and Persian words; alone they only hide things.
    text = re.sub(f"([{JOINERS}])[{JOINERS}]+", r"\1", text)
    text = re.sub(f"(?<!\\S)[{JOINERS}]|[{JOINERS}](?!\\S)", "", text)
    text = re.sub(r"\n[ \n]*\n", "\n\n", _few_marks(text)).strip()
    if not any(unicodedata.category(char)[0] in "LNPS" for char in text):
        return Refusal("empty", "There is nothing to be seen in this message.")
    if len(text) > MAX_TEXT:
        return Refusal(
            "too_long", f"A message has at most {MAX_TEXT} characters; this one has {len(text)}."
        )
    return text


def clean_name(raw: str) -> str | Refusal:
    """The name in one line and in Unicode's plain letters (NFKC); MIN_NAME to MAX_NAME characters.

    Whether it belongs to an account is for the caller to look up.
    """
    # More than this cannot become a valid name, and normalising may grow a text eighteenfold.
    text = unicodedata.normalize("NFKC", raw[: 8 * MAX_NAME])
    text = "".join(c for c in text if c.isspace() or not (_is_invisible(c) or c in JOINERS))
    name = " ".join(_few_marks(text).split())
    if not MIN_NAME <= len(name) <= MAX_NAME:
        return Refusal("bad_name", f"A name has {MIN_NAME} to {MAX_NAME} characters.")
    if not any(unicodedata.category(char)[0] in "LN" for char in name):
        return Refusal("bad_name", "A name has at least one letter or digit.")
    if GUEST.fullmatch(name):
        return Refusal("name_taken", "Names like guest-1234 are given, not chosen.")
    return name


def guest_name(identity: str) -> str:
    """The name of somebody who chose none; the same for the same identity, so nothing is stored."""
    number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") % 10_000
    return f"guest-{number:04d}"


def _is_invisible(char: str) -> bool:
    """Control and format characters (bidirectional overrides, zero widths), lone surrogates."""
    if char in JOINERS:
        return False
    return char in BLANKS or unicodedata.category(char) in ("Cc", "Cf", "Cs")


def _few_marks(text: str) -> str:
    """Cut runs of combining marks, which would otherwise paint over the neighbouring lines."""
    kept: list[str] = []
    run = 0
    for char in text:
        run = run + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if run <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)
