"""People, things, and what the world itself puts up."""

from __future__ import annotations

from carla_bridge.server.blueprints.blueprint import AttributeType as Type
from carla_bridge.server.blueprints.blueprint import Blueprint, attribute, boolean, floats, text
from carla_bridge.world.actor import Kind
from carla_bridge.world.labels import Label

__all__ = ["SPECTATOR", "TRAFFIC_LIGHT", "controllers", "props", "walkers"]

WALKERS = 52
_CHILDREN = frozenset({9, 10, 11, 12, 13, 14, 48, 49})
_FEMALE = frozenset({1, 3, 5, 7, 8, 9, 11, 13, 15, 16, 19, 20, 23, 25, 28, 30, 32, 35, 37, 39, 41, 43, 45, 47, 49, 51})

_SMALL = (0.2, 0.2, 0.2)
_MEDIUM = (0.4, 0.4, 0.5)
_BIG = (1.0, 0.6, 1.0)
_SIZES = {
    "advertisement": (0.4, 1.0, 1.3), "atm": (0.4, 0.5, 1.0), "barbeque": _MEDIUM, "barrel": (0.33, 0.33, 0.5),
    "bench01": (0.4, 0.8, 0.5), "bench02": (0.4, 0.8, 0.5), "bench03": (0.4, 0.8, 0.5), "bikeparking": _BIG,
    "bike helmet": (0.15, 0.1, 0.1), "bin": _MEDIUM, "box01": _MEDIUM, "box02": _MEDIUM, "box03": _MEDIUM,
    "briefcase": _SMALL, "brokentile01": (0.3, 0.3, 0.03), "brokentile02": (0.3, 0.3, 0.03),
    "brokentile03": (0.3, 0.3, 0.03), "brokentile04": (0.3, 0.3, 0.03), "busstop": (1.0, 2.2, 1.4),
    "busstoplb": (1.0, 2.2, 1.4), "calibrator": (0.5, 0.05, 0.5), "chainbarrier": (0.1, 0.8, 0.5),
    "chainbarrierend": (0.1, 0.1, 0.5), "clothcontainer": (0.6, 0.6, 1.0), "clothesline": (0.6, 1.2, 0.8),
    "colacan": (0.04, 0.04, 0.07), "constructioncone": (0.18, 0.18, 0.29), "container": (3.0, 1.2, 1.3),
    "creasedbox01": _MEDIUM, "creasedbox02": _MEDIUM, "creasedbox03": _MEDIUM, "dirtdebris01": (0.9, 0.9, 0.05),
    "dirtdebris02": (0.9, 0.9, 0.05), "dirtdebris03": (0.9, 0.9, 0.05), "doghouse": (0.6, 0.5, 0.5),
    "foodcart": (1.5, 1.0, 1.3), "fountain": (2.5, 2.5, 1.2), "garbage01": _SMALL, "garbage02": _SMALL,
    "garbage03": _SMALL, "garbage04": _SMALL, "garbage05": _SMALL, "garbage06": _SMALL, "gardenlamp": (0.1, 0.1, 0.4),
    "glasscontainer": (0.7, 0.7, 0.9), "gnome": (0.1, 0.1, 0.25), "guitarcase": (0.2, 0.5, 0.1),
    "haybale": (0.6, 0.6, 0.6), "haybalelb": (0.6, 0.9, 0.6), "helmet": (0.15, 0.1, 0.1), "ironplank": (0.6, 0.6, 0.02),
    "kiosk_01": (1.6, 1.6, 1.5), "laptop": (0.2, 0.2, 0.1), "mailbox": (0.3, 0.3, 0.6), "maptable": _BIG,
    "mesh": (0.5, 0.5, 0.5), "metroboard": (0.2, 0.6, 1.2), "mobile": (0.04, 0.08, 0.01), "motorhelmet": _SMALL,
    "omniwarning": _MEDIUM, "pergola": (2.0, 2.0, 1.4), "plantpot01": _MEDIUM, "plantpot02": _MEDIUM,
    "plantpot03": _MEDIUM, "plantpot04": _MEDIUM, "plantpot05": _MEDIUM, "plantpot06": _MEDIUM, "plantpot07": _MEDIUM,
    "plantpot08": _MEDIUM, "plasticbag": _SMALL, "plasticchair": (0.3, 0.3, 0.45), "plastictable": (0.5, 0.5, 0.4),
    "platformgarbage01": (1.0, 1.0, 0.3), "purse": _SMALL, "shop01": (1.5, 1.5, 1.4), "shoppingbag": _SMALL,
    "shoppingcart": (0.5, 0.3, 0.5), "shoppingtrolley": (0.3, 0.3, 0.5), "slide": (1.5, 0.5, 1.0),
    "streetbarrier": (0.2, 0.6, 0.5), "streetfountain": (0.3, 0.3, 0.6), "streetsign": (0.1, 0.4, 1.2),
    "streetsign01": (0.1, 0.4, 1.2), "streetsign04": (0.1, 0.4, 1.2), "swing": (1.0, 1.5, 1.2),
    "swingcouch": (0.8, 1.1, 0.9), "table": (0.8, 0.8, 0.4), "trafficcone01": (0.2, 0.2, 0.35),
    "trafficcone02": (0.2, 0.2, 0.35), "trafficwarning": (0.6, 1.3, 1.4), "trampoline": (1.5, 1.5, 0.5),
    "trashbag": _SMALL, "trashcan01": _MEDIUM, "trashcan02": _MEDIUM, "trashcan03": _MEDIUM, "trashcan04": _MEDIUM,
    "trashcan05": _MEDIUM, "travelcase": (0.2, 0.3, 0.4), "vendingmachine": (0.45, 0.55, 0.95),
    "warningaccident": (0.6, 0.6, 0.8), "warningconstruction": (0.6, 0.6, 0.8), "wateringcan": _SMALL,
}  # fmt: skip

SPECTATOR = Blueprint("spectator", Kind.OTHER)
TRAFFIC_LIGHT = Blueprint("traffic.traffic_light", Kind.TRAFFIC_LIGHT, labels=(Label.TRAFFIC_LIGHT,))


def walkers() -> tuple[Blueprint, ...]:
    """People. The children are those of CARLA's catalogue; who is a woman is ours."""
    return tuple(_walker(number) for number in range(1, WALKERS + 1))


def _walker(number: int) -> Blueprint:
    child = number in _CHILDREN
    half = (0.25, 0.25, 0.55) if child else (0.34, 0.34, 0.93)
    running = 2.0 if child else 2.6
    return Blueprint(
        name=f"walker.pedestrian.{number:04d}",
        kind=Kind.WALKER,
        attributes=(
            text("role_name", "pedestrian"),
            boolean("is_invincible", True),
            attribute("speed", Type.FLOAT, (0.0, 1.4, running)),
            boolean("can_use_wheelchair", not child, modifiable=False),
            boolean("use_wheelchair", False),
            text("gender", "female" if number in _FEMALE else "male", modifiable=False),
            text("age", "child" if child else "adult", modifiable=False),
            attribute("generation", Type.INT, (1 if number < 15 else 2,), modifiable=False),
        ),
        half=half,
        mass_kg=35.0 if child else 75.0,
        labels=(Label.PEDESTRIAN,),
        raised=False,
    )


def props() -> tuple[Blueprint, ...]:
    """Things that stand around, and the area that changes the road's friction."""
    found = [
        Blueprint(
            name=f"static.prop.{name}",
            kind=Kind.PROP,
            attributes=(
                text("role_name", "prop"),
                text("size", _size_word(half), modifiable=False),
                *((text("mesh_path", ""), *floats(scale=1.0)) if name == "mesh" else ()),
            ),
            half=half,
            labels=(Label.STATIC,),
        )
        for name, half in _SIZES.items()
    ]
    friction = floats(friction=3.5, extent_x=1.0, extent_y=1.0, extent_z=1.0)
    found.append(Blueprint("static.trigger.friction", Kind.OTHER, (text("role_name", "trigger"), *friction)))
    found.append(Blueprint("util.actor.empty", Kind.OTHER, (text("role_name", "empty"),)))
    return tuple(found)


def _size_word(half: tuple[float, float, float]) -> str:
    longest = 2 * max(half)
    return "tiny" if longest < 0.3 else "small" if longest < 0.8 else "medium" if longest < 2.0 else "big"


def controllers() -> tuple[Blueprint, ...]:
    """What clients attach to walkers to make them walk."""
    return (Blueprint("controller.ai.walker", Kind.OTHER, (text("role_name", "controller"),)),)
