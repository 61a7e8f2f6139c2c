"""Writing XML elements with numbers in them."""

from __future__ import annotations

import re

from lxml import etree

from avrec.maps.xml_text import Element

__all__ = ["add", "note"]

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add(parent: Element, tag: str, **attributes: str | float) -> Element:
    """A new last child; numbers with 15 significant digits, characters that XML forbids left out."""
    values = {
        name: _FORBIDDEN.sub("", value) if isinstance(value, str) else f"{float(value) + 0.0:.15g}"
        for name, value in attributes.items()
    }
    return etree.SubElement(parent, tag, values)


def note(parent: Element, code: str, value: str) -> None:
    """What OpenDRIVE has no place for, as user data."""
    add(parent, "userData", code=code, value=value)
