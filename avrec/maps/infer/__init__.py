"""A map of the driven road from the recording alone: mosaic from above, lines, lanes, roads."""

from avrec.maps.infer.infer import LANE_WIDTH_M, infer_map

__all__ = ["LANE_WIDTH_M", "infer_map"]
