"""Lane graphs from and to OpenDRIVE, routes on them, and what is wrong with them."""

from avrec.maps.assign_roads import assign_roads
from avrec.maps.check import check_map, check_opendrive
from avrec.maps.drive_map import drive_map, open_map
from avrec.maps.read_av2 import read_av2_map
from avrec.maps.read_opendrive import read_opendrive
from avrec.maps.routes import Route, shortest_route
from avrec.maps.street_map import read_street_map
from avrec.maps.write_opendrive import write_opendrive

__all__ = [
    "Route",
    "assign_roads",
    "check_map",
    "check_opendrive",
    "drive_map",
    "open_map",
    "read_av2_map",
    "read_opendrive",
    "read_street_map",
    "shortest_route",
    "write_opendrive",
]
