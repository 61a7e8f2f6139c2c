"""The bones of a walker: standing, walking, and as a client poses them.

Bones have the names of CARLA's walkers. At rest all their axes are those of the body (x ahead, y left, z up) and the
person stands with hanging arms; the lengths are shares of the height (R. Drillis and R. Contini, Body Segment
Parameters, 1966). Pictures do not bend people: bones are for clients that ask for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import pi, radians, sin
from typing import NamedTuple

from carla_bridge.world.pose import ORIGIN, Pose, Vector, compose

__all__ = ["BONES", "Bone", "Posture", "bones_of", "walking_pose"]

_SPINE = (
    ("crl_root", "", (0.0, 0.0, 0.0)),
    ("crl_hips__C", "crl_root", (0.0, 0.0, 0.530)),
    ("crl_spine__C", "crl_hips__C", (0.0, 0.0, 0.060)),
    ("crl_spine01__C", "crl_spine__C", (0.0, 0.0, 0.120)),
    ("crl_neck__C", "crl_spine01__C", (0.0, 0.0, 0.130)),
    ("crl_Head__C", "crl_neck__C", (0.0, 0.0, 0.050)),
    ("crl_eye__L", "crl_Head__C", (0.050, 0.018, 0.046)),
    ("crl_eye__R", "crl_Head__C", (0.050, -0.018, 0.046)),
)
_SIDE = (
    ("crl_shoulder__{}", "crl_spine01__C", (0.0, 0.020, 0.108)),
    ("crl_arm__{}", "crl_shoulder__{}", (0.0, 0.109, -0.020)),
    ("crl_foreArm__{}", "crl_arm__{}", (0.0, 0.0, -0.186)),
    ("crl_hand__{}", "crl_foreArm__{}", (0.0, 0.0, -0.146)),
    ("crl_thigh__{}", "crl_hips__C", (0.0, 0.052, 0.0)),
    ("crl_leg__{}", "crl_thigh__{}", (0.0, 0.0, -0.245)),
    ("crl_foot__{}", "crl_leg__{}", (0.0, 0.0, -0.246)),
    ("crl_toe__{}", "crl_foot__{}", (0.080, 0.0, -0.030)),
    ("crl_toeEnd__{}", "crl_toe__{}", (0.040, 0.0, 0.0)),
)
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_KNUCKLE, _JOINT = 0.050, 0.018
_HALF_CYCLE_M = 0.75
"""Length of a step of a person of 1.8 m."""
_SWING = {"crl_thigh": (28.0, 0.0), "crl_leg": (22.0, 22.0), "crl_arm": (-24.0, 0.0), "crl_foreArm": (-10.0, -14.0)}
"""Degrees that a bone swings, and about which it swings, while walking; positive is backward (about y)."""


class Bone(NamedTuple):
    """One bone now: its pose in the world, in the walker's body (from the feet), and in its parent bone."""

    name: str
    world: Pose
    component: Pose
    relative: Pose


@dataclass(slots=True)
class Posture:
    """What a client did with a walker's bones: poses in the parent bones, and how much they count (0 to 1)."""

    posed: dict[str, Pose] = field(default_factory=dict)
    share: float = 0.0


def _layout() -> Iterator[tuple[str, str, Vector]]:
    yield from _SPINE
    for letter, sign in (("L", 1.0), ("R", -1.0)):
        for name, parent, (x, y, z) in _SIDE:
            yield name.format(letter), parent.format(letter), (x, sign * y, z)
        hand = f"crl_hand__{letter}"
        for place, finger in enumerate(_FINGERS):
            parent, offset = hand, (0.016 - 0.008 * place, 0.0, -_KNUCKLE if place else -0.018)
            for number in ("", "01", "02", "End"):
                name = f"crl_hand{finger}{number}__{letter}"
                yield name, parent, offset
                parent, offset = name, (0.0, 0.0, -_JOINT)


BONES: Mapping[str, tuple[str, Vector]] = {name: (parent, offset) for name, parent, offset in _layout()}
"""Parent and place in it, as a share of the height, of every bone; parents come first."""


def walking_pose(speed_mps: float, time_s: float, height_m: float) -> dict[str, Pose]:
    """Every bone in its parent: at rest, and with swinging arms and legs where the person walks."""
    phase = pi * speed_mps * time_s / (_HALF_CYCLE_M * height_m / 1.8)
    lively = min(speed_mps / 1.4, 1.5)
    found = {}
    for name, (_, offset) in BONES.items():
        kind, _, side = name.partition("__")
        swing, middle = _SWING.get(kind, (0.0, 0.0))
        at = phase if side == "L" else phase + pi
        turn = radians(swing * sin(at) + middle) * lively
        x, y, z = (part * height_m for part in offset)
        found[name] = Pose(x, y, z, 0.0, turn, 0.0)
    return found


def bones_of(body: Pose, height_m: float, animated: Mapping[str, Pose], posture: Posture) -> list[Bone]:
    """Where all bones are.

    Args:
        body: pose of the walker, whose origin is the middle of its box.
        height_m: of the person.
        animated: every bone in its parent, without the client's doing.
        posture: what the client did.
    """
    feet = compose(body, Pose(0.0, 0.0, -height_m / 2))
    component: dict[str, Pose] = {"": ORIGIN}
    found = []
    for name, (parent, _) in BONES.items():
        relative = animated[name]
        if name in posture.posed and posture.share > 0.0:
            relative = _between(relative, posture.posed[name], posture.share)
        component[name] = compose(component[parent], relative)
        found.append(Bone(name, compose(feet, component[name]), component[name], relative))
    return found


def _between(first: Pose, second: Pose, share: float) -> Pose:
    values = [a + share * (b - a) for a, b in zip(first[:3], second[:3], strict=True)]
    turns = [a + share * ((b - a + pi) % (2 * pi) - pi) for a, b in zip(first[3:], second[3:], strict=True)]
    return Pose(*values, *turns)
