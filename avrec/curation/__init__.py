"""A scene's pictures, scores and Gaussians as a FiftyOne dataset, to look through and to sort."""

from avrec.curation.curate import Curated, check, curate
from avrec.curation.target import Target, target_beside

__all__ = ["Curated", "Target", "check", "curate", "target_beside"]
