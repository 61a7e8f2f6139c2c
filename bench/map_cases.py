"""Damaged and hostile OpenDRIVE maps, one for each number: for the fuzz test and its long version."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

__all__ = ["BUILT", "KINDS", "built_map", "make_seeds", "mutated"]

_POISON = [
    b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e-300", b"-0.0", b"0", b"-1", b"1", b"0.5", b"-1e9", b"1e12",
    b"1e6", b"99999999999", b"9" * 5000, b"", b" ", b"x", b"&lt;", b"1_0", b"0x10", b"\xff\xfe", b"../../etc/passwd",
    b"A" * 100_000,
]  # fmt: skip
_ATTRIBUTE = re.compile(rb'="([^"]*)"')
_EMPTY = re.compile(rb"<(\w+)[^<>]*/>")
_LEAF_PARENT = re.compile(rb"<(lane|geometry|laneSection|signal|object|connection)\b[^<>]*[^/<>]>")
_BIG = 400_000


class Dice(random.Random):
    """Random numbers, and the largest number of times that something is repeated."""

    largest = 10**9


def make_seeds(folder: Path | None = None) -> tuple[bytes, ...]:
    """The map built here, and the public maps below a folder that are small enough to read thousands of times."""
    found = sorted(folder.rglob("*.xodr")) if folder is not None else []
    return (built_map(), *(path.read_bytes() for path in found if path.stat().st_size < _BIG))


def built_map() -> bytes:
    """Every shape and record that the reader knows, on three roads with a junction, signals and a crosswalk."""
    shapes = [
        (30, "<line/>"),
        (20, '<spiral curvStart="0" curvEnd="0.02"/>'),
        (30, '<arc curvature="0.02"/>'),
        (20, '<poly3 a="0" b="0" c="0.002" d="-0.00005"/>'),
        (20, '<paramPoly3 pRange="normalized" aU="0" bU="20" cU="0" dU="0" aV="0" bV="0" cV="0.5" dV="0"/>'),
    ]
    plans = []
    for shift in (0.0, 300.0, 600.0):
        s, plan = 0.0, ""
        for length, shape in shapes:
            plan += f'<geometry s="{s}" x="{s + shift}" y="0" hdg="0" length="{length}">{shape}</geometry>'
            s += length
        plans.append(plan)
    lane = (
        '<lane id="{0}" type="driving" level="false"><link><predecessor id="{0}"/><successor id="{0}"/></link>'
        '<width sOffset="0" a="3.5" b="0" c="0.0001" d="0"/><width sOffset="30" a="3.6" b="0" c="0" d="0"/>'
        '<roadMark sOffset="0" type="broken" weight="standard" color="white" width="0.12" laneChange="both"/>'
        '<speed sOffset="0" max="50" unit="km/h"/><height sOffset="0" inner="0.1" outer="0.12"/></lane>'
    )
    walk = (
        '<lane id="-3" type="sidewalk" level="false"><border sOffset="0" a="10" b="0" c="0" d="0"/>'
        '<userData code="avrec.lane" value="walk{}"/></lane>'
    )
    roads = ""
    links = [
        '<successor elementType="junction" elementId="9"/>',
        '<predecessor elementType="road" elementId="1" contactPoint="end"/>'
        '<successor elementType="road" elementId="3" contactPoint="start"/>',
        '<predecessor elementType="junction" elementId="9"/>',
    ]
    for number, plan in enumerate(plans, 1):
        sections = ""
        for index, start in enumerate((0, 0.01, 60)):
            left, right = lane.format(1), "".join(lane.format(slot) for slot in (-1, -2))
            right += walk.format(10 * number + index)
            sections += f'<laneSection s="{start}"><left>{left}</left><center><lane id="0" type="none" level="false">'
            sections += '<roadMark sOffset="0" type="solid solid" color="yellow"/></lane></center>'
            sections += f"<right>{right}</right></laneSection>"
        roads += (
            f'<road name="r{number}" length="120" id="{number}" junction="{9 if number == 2 else -1}" rule="RHT">'
            f'<link>{links[number - 1]}</link><type s="0" type="town"><speed max="50" unit="km/h"/></type>'
            f'<planView>{plan}</planView><elevationProfile><elevation s="0" a="1" b="0.01" c="0" d="0"/>'
            f'<elevation s="50" a="1.5" b="0" c="0.0001" d="0"/></elevationProfile><lateralProfile>'
            f'<superelevation s="0" a="0.01" b="0" c="0" d="0"/></lateralProfile><lanes>'
            f'<laneOffset s="0" a="0.2" b="0" c="0" d="0"/>{sections}</lanes>'
            f'<objects><object type="crosswalk" id="c{number}" s="40" t="0" zOffset="0" hdg="0.1" length="3" width="8">'
            f'<outlines><outline id="0"><cornerLocal u="-1" v="-4" z="0"/><cornerLocal u="1" v="-4" z="0"/>'
            f'<cornerLocal u="1" v="4" z="0"/></outline></outlines></object></objects><signals>'
            f'<signal s="100" t="-6" id="{number}0" name="light" dynamic="yes" orientation="+" zOffset="4" '
            f'type="1000001" subtype="-1" value="-1" hOffset="0.1" height="1" width="0.5">'
            f'<validity fromLane="-2" toLane="-1"/></signal>'
            f'<signal s="98" t="-3" id="{number}1" dynamic="no" orientation="+" type="294" subtype="-1" width="7"/>'
            f'<signalReference s="10" t="0" id="10" orientation="-"/></signals></road>'
        )
    connection = '<connection id="0" incomingRoad="1" connectingRoad="2" contactPoint="start">'
    connection += '<laneLink from="-1" to="-1"/><laneLink from="-2" to="-2"/></connection>'
    header = '<header revMajor="1" revMinor="8" name="all"><geoReference><![CDATA[+lat_0=48 +lon_0=11]]></geoReference>'
    header += '<offset x="5" y="-5" z="1" hdg="0.3"/></header>'
    control = '<controller id="5" name="c"><control signalId="10" type="0"/></controller>'
    junction = f'<junction id="9" name="j">{connection}<controller id="5"/></junction>'
    return f'<?xml version="1.0"?><OpenDRIVE>{header}{roads}{control}{junction}</OpenDRIVE>'.encode()


def mutated(seeds: tuple[bytes, ...], number: int, largest: int = Dice.largest) -> tuple[str, bytes]:
    """Kind and content of a case; the same number gives the same bytes. Nothing is repeated more than ``largest``."""
    rng = Dice(number)
    rng.largest = largest
    names = list(KINDS)
    kind = names[number % len(names)]
    content = bytearray(rng.choice(seeds))
    for _ in range(1 if kind in BUILT else rng.randint(1, 4)):
        KINDS[kind](rng, content)
    return kind, bytes(content)


def _bytes(rng: Dice, content: bytearray) -> None:
    at = rng.randrange(len(content) or 1)
    choice = rng.randrange(4)
    if choice == 0 and content:
        content[at] ^= 1 << rng.randrange(8)
    elif choice == 1:
        del content[at : at + rng.randrange(400)]
    elif choice == 2:
        content[at:at] = content[at : at + rng.randrange(2000)]
    else:
        del content[max(at, 200) :]


def _value(rng: Dice, content: bytearray, new: Callable[[bytes], bytes], share: float = 0.0) -> None:
    spans = [match.span(1) for match in _ATTRIBUTE.finditer(content)]
    if not spans:
        return
    chosen = [span for span in spans if rng.random() < share] or [rng.choice(spans)]
    for first, last in reversed(chosen):
        content[first:last] = new(bytes(content[first:last]))


def _poison(rng: Dice, content: bytearray) -> None:
    _value(rng, content, lambda _: rng.choice(_POISON))


def _scaled(rng: Dice, content: bytearray) -> None:
    def other(old: bytes) -> bytes:
        try:
            return repr(float(old) * 10 ** rng.uniform(-8, 8) * rng.choice((-1, 1))).encode()
        except ValueError:
            return str(rng.uniform(-200, 200)).encode()

    _value(rng, content, other, rng.choice((0.0, 0.0, 0.01, 0.3)))


def _named(rng: Dice, content: bytearray) -> None:
    """All values of one attribute, multiplied or replaced."""
    names = [b"length", b"a", b"b", b"c", b"d", b"s", b"sOffset", b"x", b"y", b"hdg", b"curvature", b"curvEnd", b"id",
             b"from", b"to", b"t", b"dV", b"bU"]  # fmt: skip
    name, factor = rng.choice(names), 10 ** rng.uniform(-6, 6)

    def other(match: re.Match[bytes]) -> bytes:
        try:
            return b'%b="%b"' % (name, repr(float(match[1]) * factor + rng.choice((0.0, factor))).encode())
        except ValueError:
            return bytes(match[0])

    content[:] = re.sub(rb"\b" + name + rb'="([^"]*)"', other, bytes(content))


def _elements(rng: Dice, content: bytearray) -> None:
    spans = [match.span() for match in _EMPTY.finditer(content)]
    if not spans:
        return
    (first, last), (third, fourth) = rng.choice(spans), rng.choice(spans)
    piece = bytes(content[first:last])
    choice = rng.randrange(4)
    if choice == 0:
        del content[first:last]
    elif choice == 1:
        content[first:last] = piece * rng.choice((2, 3, 100))
    elif choice == 2:
        content[third:fourth] = piece
    else:
        content[third:third] = piece


def _many(rng: Dice, content: bytearray) -> None:
    """One element some hundred thousand times, or with a rising station each time."""
    spans = [match.span() for match in _EMPTY.finditer(content)]
    if not spans:
        return
    first, last = rng.choice(spans)
    piece = bytes(content[first:last])
    count = min(rng.choice((1000, 30_000, 300_000)), 12_000_000 // len(piece), rng.largest)
    if rng.random() < 0.5:
        content[first:last] = piece * count
        return
    parts = re.split(rb'(?<=[ ])(s|sOffset|id)="[^"]*"', piece, maxsplit=1)
    if len(parts) == 3:
        rise = rng.choice((1.0, 1e-3, 1e-7))
        pieces = [
            b'%b%b="%b"%b' % (parts[0], parts[1], repr(index * rise).encode(), parts[2]) for index in range(count)
        ]
        content[first:last] = b"".join(pieces)


def _parents(rng: Dice, content: bytearray) -> None:
    """A lane, section, geometry or signal many times, ids and stations counted up."""
    spans = [match for match in _LEAF_PARENT.finditer(content)]
    if not spans:
        return
    match = rng.choice(spans)
    close = b"</" + match[1] + b">"
    end = content.find(close, match.end())
    if end < 0:
        return
    piece = bytes(content[match.start() : end + len(close)])
    count = min(rng.choice((10, 300, 20_000)), 8_000_000 // len(piece), rng.largest)
    parts = re.split(rb'(?<= )(s|id)="[^"]*"', piece, maxsplit=1)
    new = [b'%b%b="%d"%b' % (parts[0], parts[1], i, parts[2]) if len(parts) == 3 else piece for i in range(count)]
    content[match.start() : match.start()] = b"".join(new)


def _wrapped(rng: Dice, content: bytearray) -> None:
    """Depth, entities, other encodings, names as long as books."""
    choice = rng.randrange(6)
    if choice == 0:
        depth = rng.choice((100, 300, 200_000))
        content[:] = b"<OpenDRIVE>" + b"<a>" * depth + b"</a>" * depth + b"</OpenDRIVE>"
    elif choice == 1:
        entities = b'<!ENTITY e0 "lol">' + b"".join(
            b'<!ENTITY e%d "%b">' % (i, b"&e%d;" % (i - 1) * 10) for i in range(1, 12)
        )
        content[:] = b"<!DOCTYPE l [" + entities + b"]><OpenDRIVE>&e11;</OpenDRIVE>"
    elif choice == 2:
        external = b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><OpenDRIVE><road id="&x;"/></OpenDRIVE>'
        content[:] = external.decode().encode(rng.choice(("utf-8", "utf-16", "utf-7", "utf-16-be", "utf-32", "cp500")))
    elif choice == 3:
        text = bytes(content).decode("utf-8", "replace")
        code = rng.choice(("utf-16", "utf-16-be", "utf-7", "utf-32", "cp500", "latin-1", "shift_jis"))
        content[:] = re.sub(r"^\s*<\?xml[^>]*>", f'<?xml version="1.0" encoding="{code}"?>', text).encode(
            code, "replace"
        )
    elif choice == 4:
        name = b"n" * rng.choice((100, 100_000, 5_000_000))
        content[:] = re.sub(rb'(<road [^>]*?\bid=")[^"]*"', rb"\g<1>" + name + b'"', bytes(content), count=1)
    else:
        content[:] = (
            b"<OpenDRIVE>" + b"<road/>" * min(rng.choice((10, 1_000_000, 15_000_000)), rng.largest) + b"</OpenDRIVE>"
        )


KINDS: dict[str, Callable[[Dice, bytearray], None]] = {
    "bytes": _bytes,
    "poison": _poison,
    "scaled": _scaled,
    "named": _named,
    "elements": _elements,
    "many": _many,
    "parents": _parents,
    "wrapped": _wrapped,
}
BUILT = {"many", "parents", "wrapped"}
"""Kinds that are made once for a case; the others one to four times."""
