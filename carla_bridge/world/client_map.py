"""The OpenDRIVE text as clients get it: theirs die of what the format allows."""

from __future__ import annotations

from lxml import etree

from avrec.maps.xml_text import parse_xml

__all__ = ["text_for_clients"]

BEFORE_MARKS = ("link", "border", "width")
NO_MARK = {
    "sOffset": "0",
    "type": "none",
    "weight": "standard",
    "color": "standard",
    "width": "0",
    "laneChange": "none",
}


def text_for_clients(content: bytes) -> str:
    """A map's text, in which every lane has road marks.

    A lane invasion sensor, which is computed by the client, ends the client's process (0.9.15, 0.9.16) where a vehicle
    crosses the edge of a lane without any. Such lanes get a mark of type ``none``. A map with nothing to add stays as
    it is, to the letter.
    """
    root = parse_xml(content, "OpenDRIVE")
    bare = [lane for lane in root.iterfind(".//laneSection/*/lane") if lane.find("roadMark") is None]
    if not bare:
        return content.decode("utf-8", errors="replace")
    for lane in bare:
        place = sum(child.tag in BEFORE_MARKS for child in lane)
        lane.insert(place, etree.Element("roadMark", NO_MARK))
    return str(etree.tostring(root, encoding="unicode"))
