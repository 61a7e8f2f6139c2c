"""The synthetic street: a drive whose every pixel is known."""

from avrec.drive.street.difficulty import street_difficulty
from avrec.drive.street.synthesise import StreetReport, synthesise_street

__all__ = ["StreetReport", "street_difficulty", "synthesise_street"]
