"""Texts from outside that a page or a log shows: names, addresses, and which characters they may have.

Markup is escaped by what shows a text. This module is about texts that look like another text, or like none.
"""

import re
import unicodedata
from urllib.parse import urlsplit

# Categories of Unicode that text on a page does not need, such as control characters and marks that reverse its order.
UNWANTED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# Characters of other categories that show nothing: those that Unicode calls default ignorable, and the empty Braille
# pattern.
INVISIBLE = {
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
}
MAX_MARKS = 2  # combining marks in sequence; more cover other lines of a page
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
CREATOR_LETTERS = {"name": 200, "email": 200, "url": 500, "institution": 300, "license": 500}
HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")


def unwanted_character(text: str) -> str | None:
    """Return the first character that a text of an entry may not have: of markup, for control, or invisible."""
    for sign in text:
        category = unicodedata.category(sign)
        if sign in "<>" or category in UNWANTED or (category == "Zs" and sign != " ") or ord(sign) in INVISIBLE:
            return sign
    return None


def misleading_form(text: str) -> str | None:
    """Return, in words, why a text could look like another, if it could."""
    if not unicodedata.is_normalized("NFC", text):
        return "text that is not in the normal form NFC of Unicode"
    if text != text.strip():
        return "a space at the beginning or the end"
    marks = 0
    for sign in text:
        marks = marks + 1 if unicodedata.category(sign).startswith("M") else 0
        if marks > MAX_MARKS:
            return f"more than {MAX_MARKS} combining marks in sequence"
    return None


def is_email(text: str) -> bool:
    """Return whether a text is an email address, NAME@HOST."""
    return bool(EMAIL.fullmatch(text))


def is_address(text: str) -> bool:
    """Return whether a text is an address with http or https, a host in ASCII, and no name of a user."""
    try:
        parts = urlsplit(text)
        port = parts.port  # raises ValueError if it is not a number
    except ValueError:
        return False
    host = parts.hostname or ""
    plain = "@" not in parts.netloc and port != 0 and not re.search(r"[\s\"'\\]", text)
    return parts.scheme in ("http", "https") and bool(HOST.fullmatch(host)) and plain


def printable(value: object) -> str:
    """A text from outside for a message or a log: line breaks, and others that are not printable, as escapes."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(value))
