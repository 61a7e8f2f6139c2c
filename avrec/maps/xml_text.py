"""Reading XML that somebody else wrote: bounded, without entities, numbers checked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lxml import etree

from avrec.errors import DataError

__all__ = ["Element", "integer", "number", "parse_xml", "text"]

Element = Any
"""An lxml element; lxml ships no types."""

MAX_BYTES = 192 * 2**20
MAX_VALUE = 1e7
"""No coordinate, length or coefficient of a road map on Earth is larger."""


def parse_xml(source: str | Path | bytes, root: str) -> Element:
    """The root element of an XML file or text.

    Raises:
        DataError: unreadable, too large, not XML, a document type declaration, or another root element.
    """
    name, content = ("The map", source) if isinstance(source, bytes) else (str(source), _read(Path(source)))
    if len(content) > MAX_BYTES:
        raise DataError(f"{name} has {len(content) / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB are read.")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, remove_pis=True)
    if (
        b"<!DOCTYPE" in content
        or "<!DOCTYPE".encode("utf-16-le") in content
        or "<!DOCTYPE".encode("utf-16-be") in content
    ):
        raise DataError(f"{name} declares a document type, which maps never need. Remove the <!DOCTYPE ...> line.")
    try:
        element = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DataError(f"{name} is not well-formed XML ({error}). Export it again.") from error
    if element is None or etree.QName(element).localname != root:
        found = "nothing" if element is None else f"<{etree.QName(element).localname}>"
        raise DataError(f"{name} starts with {found}, not with <{root}>. Give a file of that format.")
    if element.getroottree().docinfo.doctype:
        raise DataError(f"{name} declares a document type, which maps never need. Remove the <!DOCTYPE ...> line.")
    for node in element.iter(etree.Element):  # some exporters put everything in a namespace
        node.tag = etree.QName(node).localname
    return element


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


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} has {path.stat().st_size / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} are read.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror or error}. Check the path.") from error
