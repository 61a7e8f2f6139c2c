"""The points a reconstruction starts from."""

from avrec.reconstruction.points.initial import ActorPoints, InitialPoints, PointSource, initial_points
from avrec.reconstruction.points.scales import nearest_neighbour_scales

__all__ = ["ActorPoints", "InitialPoints", "PointSource", "initial_points", "nearest_neighbour_scales"]
