"""What every check gets, and the table in which it enters itself."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carla_bridge.tick_guard import tick
from tests.carla_bridge.support import WAIT_S

LANE_Y = 1.75
"""Middle of the eastbound lane of the loop map's road 0, in CARLA's frame."""
STEP_S = 0.05


@dataclass
class Stage:
    """A fresh synchronous world on the loop map, and the client that made it.

    Attributes:
        carla: the package.
        client: connected.
        world: with steps of 0.05 s.
        folder: for files.
        address: host and port of the server.
    """

    carla: Any
    client: Any
    world: Any
    folder: Path
    address: tuple[str, int]

    @property
    def library(self) -> Any:
        return self.world.get_blueprint_library()

    def at(self, x: float, y: float = LANE_Y, z: float = 0.0, yaw: float = 0.0) -> Any:
        return self.carla.Transform(self.carla.Location(x, y, z), self.carla.Rotation(0.0, yaw, 0.0))

    def spawn(self, name: str, where: Any = None, parent: Any = None, **values: Any) -> Any:
        blueprint = self.library.find(name)
        for key, value in values.items():
            blueprint.set_attribute(key, str(value))
        place = where if where is not None else self.carla.Transform()
        if parent is None:
            return self.world.spawn_actor(blueprint, place)
        return self.world.spawn_actor(blueprint, place, attach_to=parent)

    def car(self, x: float = 30.0, name: str = "vehicle.tesla.model3") -> Any:
        """A car on the road, at rest."""
        found = self.spawn(name, self.at(x))
        self.ticks(2)
        return found

    def ticks(self, count: int = 1) -> int:
        for _ in range(count):
            frame = tick(self.world)
        return frame

    def hear(self, name: str, where: Any = None, parent: Any = None, **values: Any) -> tuple[Any, queue.Queue[Any]]:
        """A sensor and its messages."""
        sensor = self.spawn(name, where, parent, **values)
        messages: queue.Queue[Any] = queue.Queue()
        sensor.listen(messages.put)
        return sensor, messages

    def picture(self, kind: str, where: Any, width: int = 64, height: int = 48, **values: Any) -> Any:
        """One picture from a place in the world."""
        camera, messages = self.hear(f"sensor.camera.{kind}", where, image_size_x=width, image_size_y=height, **values)
        self.ticks()
        image = messages.get(timeout=WAIT_S)
        camera.destroy()
        return image


Check = Callable[[Stage], None]
CALLS: dict[str, Check] = {}
BLUEPRINTS: dict[str, Check] = {}


def call(name: str) -> Callable[[Check], Check]:
    """Enter a check under the call that it is about."""

    def enter(check: Check) -> Check:
        if name in CALLS:
            raise ValueError(f"two checks of {name}")
        CALLS[name] = check
        return check

    return enter


def blueprint(name: str) -> Callable[[Check], Check]:
    """Enter a check under the blueprint, or the wildcard, that it is about."""

    def enter(check: Check) -> Check:
        if name in BLUEPRINTS:
            raise ValueError(f"two checks of {name}")
        BLUEPRINTS[name] = check
        return check

    return enter


def pixels(image: Any) -> np.ndarray:
    """BGRA, uint8 [H, W, 4]."""
    return np.frombuffer(image.raw_data, dtype=np.uint8).reshape(image.height, image.width, 4)


def xyz(vector: Any) -> tuple[float, float, float]:
    return float(vector.x), float(vector.y), float(vector.z)


def junction_map() -> str:
    """Two roads in line along +x with a junction of 10 m between them, a lane each way."""

    def lane(number: int, before: int, after: int) -> str:
        return (
            f'<lane id="{number}" type="driving" level="false"><link><predecessor id="{before}"/>'
            f'<successor id="{after}"/></link><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
        )

    def road(number: int, x: float, heading: float, length: float, link: str, lanes: str, junction: str = "-1") -> str:
        return (
            f'<road name="" length="{length}" id="{number}" junction="{junction}"><link>{link}</link>'
            f'<planView><geometry s="0" x="{x}" y="0" hdg="{heading}" length="{length}"><line/></geometry></planView>'
            f'<lanes><laneSection s="0">{lanes}</laneSection></lanes></road>'
        )

    center = '<center><lane id="0" type="none" level="false"/></center>'
    both = f"<left>{lane(1, 1, 1)}</left>{center}<right>{lane(-1, -1, -1)}</right>"
    to_junction = '<successor elementType="junction" elementId="100"/>'
    from_junction = '<predecessor elementType="junction" elementId="100"/>'

    def between(first: int, first_end: str, last: int, last_end: str) -> str:
        return (
            f'<predecessor elementType="road" elementId="{first}" contactPoint="{first_end}"/>'
            f'<successor elementType="road" elementId="{last}" contactPoint="{last_end}"/>'
        )

    return (
        '<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4" name="junction" '
        'north="9" south="-9" east="99" west="0"/>'
        + road(1, 0.0, 0.0, 40.0, to_junction, both)
        + road(2, 50.0, 0.0, 40.0, from_junction, both)
        + road(10, 40.0, 0.0, 10.0, between(1, "end", 2, "start"), f"{center}<right>{lane(-1, -1, -1)}</right>", "100")
        + road(
            11, 50.0, 3.141592653589793, 10.0, between(2, "start", 1, "end"),
            f"{center}<right>{lane(-1, 1, 1)}</right>", "100",
        )
        + '<junction id="100" name=""><connection id="0" incomingRoad="1" connectingRoad="10" contactPoint="start">'
        '<laneLink from="-1" to="-1"/></connection><connection id="1" incomingRoad="2" connectingRoad="11" '
        'contactPoint="start"><laneLink from="1" to="-1"/></connection></junction></OpenDRIVE>'
    )  # fmt: skip
