"""Vehicles by the names that CARLA programs use. Sizes are approximate half extents of the real cars in metres."""

from __future__ import annotations

from typing import NamedTuple

from carla_bridge.server.blueprints.blueprint import Blueprint, boolean, colour, integer, text
from carla_bridge.world.actor import Kind
from carla_bridge.world.labels import LABEL_OF_KIND

__all__ = ["vehicles"]


class _Vehicle(NamedTuple):
    name: str
    half: tuple[float, float, float]
    mass_kg: float
    base: str = "car"
    generation: int = 1
    special: str = ""
    doors: bool = False


_VEHICLES = (
    _Vehicle("audi.a2", (1.853, 0.895, 0.778), 1030),
    _Vehicle("audi.etron", (2.428, 1.016, 0.825), 2490, special="electric"),
    _Vehicle("audi.tt", (2.091, 0.997, 0.693), 1410),
    _Vehicle("bmw.grandtourer", (2.306, 1.121, 0.834), 1590),
    _Vehicle("carlamotors.carlacola", (2.602, 1.307, 1.234), 5500, "truck"),
    _Vehicle("carlamotors.european_hgv", (3.968, 1.447, 1.750), 9500, "truck", 2),
    _Vehicle("carlamotors.firetruck", (4.234, 1.446, 1.914), 12500, "truck", 2, "emergency"),
    _Vehicle("chevrolet.impala", (2.679, 1.017, 0.706), 1650),
    _Vehicle("citroen.c3", (1.994, 0.925, 0.812), 1050),
    _Vehicle("dodge.charger_2020", (2.504, 1.049, 0.763), 1900, "car", 2, doors=True),
    _Vehicle("dodge.charger_police", (2.487, 1.019, 0.771), 1920, "car", 1, "emergency"),
    _Vehicle("dodge.charger_police_2020", (2.618, 1.049, 0.819), 1950, "car", 2, "emergency", True),
    _Vehicle("ford.ambulance", (3.182, 1.176, 1.216), 4500, "van", 2, "emergency", True),
    _Vehicle("ford.crown", (2.683, 0.900, 0.788), 1860, "car", 2, "taxi", True),
    _Vehicle("ford.mustang", (2.359, 0.947, 0.650), 1450),
    _Vehicle("jeep.wrangler_rubicon", (1.933, 0.953, 0.939), 1880),
    _Vehicle("lincoln.mkz_2017", (2.451, 1.064, 0.752), 1720),
    _Vehicle("lincoln.mkz_2020", (2.446, 0.918, 0.738), 1730, "car", 2, doors=True),
    _Vehicle("mercedes.coupe", (2.513, 1.076, 0.825), 1700),
    _Vehicle("mercedes.coupe_2020", (2.336, 1.000, 0.718), 1670, "car", 2, doors=True),
    _Vehicle("mercedes.sprinter", (2.957, 0.994, 1.280), 2300, "van", 2, doors=True),
    _Vehicle("micro.microlino", (1.104, 0.740, 0.680), 530, special="electric"),
    _Vehicle("mini.cooper_s", (1.903, 0.985, 0.737), 1200),
    _Vehicle("mini.cooper_s_2021", (2.276, 1.049, 0.884), 1250, "car", 2, doors=True),
    _Vehicle("mitsubishi.fusorosa", (5.136, 1.970, 2.127), 6200, "bus", 2),
    _Vehicle("nissan.micra", (1.817, 0.923, 0.751), 980),
    _Vehicle("nissan.patrol", (2.302, 0.966, 0.927), 2700),
    _Vehicle("nissan.patrol_2021", (2.783, 1.074, 1.022), 2750, "car", 2, doors=True),
    _Vehicle("seat.leon", (2.096, 0.908, 0.737), 1300),
    _Vehicle("tesla.cybertruck", (3.137, 1.195, 1.049), 3000, "truck", 2, "electric"),
    _Vehicle("tesla.model3", (2.396, 1.082, 0.744), 1800, special="electric"),
    _Vehicle("toyota.prius", (2.256, 1.003, 0.762), 1400),
    _Vehicle("volkswagen.t2", (2.240, 1.034, 1.019), 1600, "van"),
    _Vehicle("volkswagen.t2_2021", (2.221, 0.887, 0.994), 1600, "van", 2, doors=True),
    _Vehicle("bh.crossbike", (0.743, 0.429, 0.539), 90, "bicycle"),
    _Vehicle("diamondback.century", (0.821, 0.182, 0.776), 90, "bicycle"),
    _Vehicle("gazelle.omafiets", (0.918, 0.183, 0.892), 95, "bicycle"),
    _Vehicle("harley-davidson.low_rider", (1.176, 0.381, 0.639), 380, "motorcycle"),
    _Vehicle("kawasaki.ninja", (1.017, 0.402, 0.751), 290, "motorcycle"),
    _Vehicle("vespa.zx125", (0.902, 0.432, 0.617), 190, "motorcycle"),
    _Vehicle("yamaha.yzf", (1.105, 0.434, 0.625), 280, "motorcycle"),
)
_WITH_LIGHTS = frozenset({
    "audi.etron", "audi.tt", "bh.crossbike", "chevrolet.impala", "diamondback.century", "dodge.charger_police",
    "ford.mustang", "gazelle.omafiets", "harley-davidson.low_rider", "lincoln.mkz_2017", "tesla.model3",
    "volkswagen.t2", "yamaha.yzf",
})  # fmt: skip
"""Of the first generation, as CARLA's documentation lists them; all of the second have lights."""
_COLOURS = ("17,37,103", "137,0,0", "44,44,44", "214,214,214", "150,142,120")


def vehicles() -> tuple[Blueprint, ...]:
    """All vehicles."""
    return tuple(_blueprint(vehicle) for vehicle in _VEHICLES)


def _blueprint(vehicle: _Vehicle) -> Blueprint:
    two = vehicle.base in ("bicycle", "motorcycle")
    fixed = {"modifiable": False}
    return Blueprint(
        name=f"vehicle.{vehicle.name}",
        kind=Kind.VEHICLE,
        attributes=(
            text("role_name", "autopilot", "scenario", "ego_vehicle", "hero"),
            colour("color", *_COLOURS),
            integer("driver_id", 0, 1, 2, 3),
            boolean("sticky_control", True),
            boolean("terramechanics", False),
            text("object_type", "", **fixed),
            integer("number_of_wheels", 2 if two else 4, **fixed),
            integer("generation", vehicle.generation, **fixed),
            text("special_type", vehicle.special, **fixed),
            boolean("has_dynamic_doors", vehicle.doors, **fixed),
            boolean("has_lights", vehicle.generation == 2 or vehicle.name in _WITH_LIGHTS, **fixed),
            text("base_type", vehicle.base, **fixed),
        ),
        half=vehicle.half,
        mass_kg=float(vehicle.mass_kg),
        labels=(LABEL_OF_KIND[vehicle.base],),
    )
