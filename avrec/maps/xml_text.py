"""Reading XML that somebody else wrote: bounded, without entities, numbers checked."""

from __future__ import annotations

import codecs
import math
import re
from pathlib import Path
from typing import Any

from lxml import etree

from avrec.errors import DataError
from avrec.files import read_bounded

__all__ = ["Element", "identifier", "integer", "number", "parse_xml", "text"]

Element = Any
"""An lxml element; lxml ships no types."""

MAX_BYTES = 128 * 2**20
MAX_NODES = 1_600_000
MAX_PARTS = 4_000_000
"""Tags, and tags and attributes together: the parsed file takes about 240 bytes for each."""
MAX_ID = 200
_ENCODINGS = {"utf-8", "ascii", "gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"}
MAX_VALUE = 1e7
"""No coordinate, length or coefficient of a road map on Earth is larger."""


def parse_xml(source: str | Path | bytes, root: str) -> Element:
    """The root element of an XML file or text.

    Raises:
        DataError: unreadable, too large, not XML, a document type declaration, or another root element.
    """
    name, content = ("The map", source) if isinstance(source, bytes) else (str(source), read_bounded(source, MAX_BYTES))
    if len(content) > MAX_BYTES:
        raise DataError(f"{name} has {len(content) / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB are read.")
    content, encoding = _plain(content, name)
    if b"<!DOCTYPE" in content:
        raise DataError(f"{name} declares a document type, which maps never need. Remove the <!DOCTYPE ...> line.")
    tags, attributes = content.count(b"<"), content.count(b"=")
    if tags > MAX_NODES or tags + attributes > MAX_PARTS:
        raise DataError(f"{name} holds {tags} tags and {attributes} attributes, too many to read. Cut it into parts.")
    parser = etree.XMLParser(
        encoding=encoding, resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False,
        remove_pis=True, remove_comments=True, remove_blank_text=True,
    )  # fmt: skip
    try:
        element = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{name} is not well-formed XML ({reason}). Export it again.") from error
    if element is None or etree.QName(element).localname != root:
        found = "nothing" if element is None else f"<{etree.QName(element).localname}>"
        raise DataError(f"{name} starts with {found}, not with <{root}>. Give a file of that format.")
    if element.getroottree().docinfo.doctype:
        raise DataError(f"{name} declares a document type, which maps never need. Remove the <!DOCTYPE ...> line.")
    if b"xmlns" in content:  # some exporters put everything in a namespace
        for node in element.iter(etree.Element):
            node.tag = etree.QName(node).localname
    return element


def _plain(content: bytes, name: str) -> tuple[bytes, str | None]:
    """The text in an encoding in which ASCII looks like ASCII, and that encoding where the text itself says another."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"):
        order = "utf-16-le" if content[:2] in (b"\xff\xfe", b"<\0") else "utf-16-be"
        try:
            return content.decode(order).removeprefix("\ufeff").encode(), "utf-8"
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is not well-formed XML ({error}). Export it again.") from error
    if content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"<":
        raise DataError(f"{name} is not XML: it does not begin with '<'. Give a map, and not a compressed one.")
    found = re.match(rb"""\s*(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*["']([^"']{1,40})["']""", content[:400])
    declared = "utf-8" if found is None else found[1].decode("ascii", "replace")
    try:
        known = codecs.lookup(declared).name
    except (LookupError, ValueError):  # a null character is no LookupError
        known = declared
    if known.startswith("utf-16"):  # it is not, or it would begin otherwise
        return content, "utf-8"
    if known not in _ENCODINGS and not known.startswith(("iso8859", "cp125")):
        raise DataError(f"{name} is encoded as {declared}, which maps never are. Save it as UTF-8.")
    return content, None


def identifier(element: Element, name: str = "id") -> str:
    """An attribute that names something.

    Raises:
        DataError: it is too long for a name; lanes are called after roads and would all be as long.
    """
    found = text(element, name)
    if len(found) > MAX_ID:
        raise DataError(f"{_place(element)} has an {name} of {len(found)} letters. Give it a name of at most {MAX_ID}.")
    return found


def text(element: Element, name: str, default: str = "") -> str:
    """An attribute's text without blanks around it."""
    return str(element.get(name, default)).strip()


def number(element: Element, name: str, default: float | None = None, *, limit: float = MAX_VALUE) -> float:
    """An attribute's value.

    Raises:
        DataError: missing without a default, not a number, not finite or larger than ``limit``.
    """
    found = element.get(name)
    if found is None or not found.strip():
        if default is None:
            raise DataError(f"{_place(element)} has no attribute {name}. Export the map again.")
        return default
    try:
        value = float(found)
    except ValueError:
        value = math.nan
    if not abs(value) <= limit:
        raise DataError(f"{_place(element)} says {name}={found[:40]!r}. Give a number within +-{limit:g}.")
    return value


def integer(element: Element, name: str, default: int | None = None) -> int:
    """An attribute's whole number; raises as :func:`number`."""
    value = number(element, name, default)
    if value != int(value):
        raise DataError(f"{_place(element)} says {name}={value:g}. Give a whole number.")
    return int(value)


def _place(element: Element) -> str:
    return f"<{element.tag}> in line {element.sourceline}"
