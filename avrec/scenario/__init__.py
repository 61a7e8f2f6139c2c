"""Edge cases: a recorded drive in which actors do something else, by triggers and actions that compose."""

from avrec.scenario.actions import Action, Appear
from avrec.scenario.added import ego_state, with_car, with_person
from avrec.scenario.boxes import Box, EgoShape, distance, gap_ahead, overlap, time_to_collision
from avrec.scenario.director import Director, EgoState
from avrec.scenario.guide import Guide, guide_of
from avrec.scenario.measures import Measured, Measurer, Measures
from avrec.scenario.mover import ActorState
from avrec.scenario.rehearsal import Beginning, Rehearsal, checked, rehearse
from avrec.scenario.scenario import Event, Scenario, replay
from avrec.scenario.speeds import Hold, KeepSpeed, PaceEgo, SpeedTo
from avrec.scenario.triggers import (
    AllOf,
    AnyOf,
    Distance,
    ElapsedTime,
    Gap,
    ReachedPoint,
    Situation,
    Then,
    TimeToCollision,
    TimeToReach,
    Trigger,
    time_to_reach,
)
from avrec.scenario.ways import FollowPath, LaneChange, WalkAcross

__all__ = [
    "Action",
    "ActorState",
    "AllOf",
    "AnyOf",
    "Appear",
    "Beginning",
    "Box",
    "Director",
    "Distance",
    "EgoShape",
    "EgoState",
    "ElapsedTime",
    "Event",
    "FollowPath",
    "Gap",
    "Guide",
    "Hold",
    "KeepSpeed",
    "LaneChange",
    "Measured",
    "Measurer",
    "Measures",
    "PaceEgo",
    "ReachedPoint",
    "Rehearsal",
    "Scenario",
    "Situation",
    "SpeedTo",
    "Then",
    "TimeToCollision",
    "TimeToReach",
    "Trigger",
    "WalkAcross",
    "checked",
    "distance",
    "ego_state",
    "gap_ahead",
    "guide_of",
    "overlap",
    "rehearse",
    "replay",
    "time_to_collision",
    "time_to_reach",
    "with_car",
    "with_person",
]
