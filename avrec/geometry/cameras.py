"""The camera models together: their union type and reading them back from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avrec.errors import DataError
from avrec.geometry.fisheye import OpenCVFisheyeCamera
from avrec.geometry.ftheta import FThetaCamera
from avrec.geometry.pinhole import OpenCVPinholeCamera

__all__ = ["Camera", "camera_from_dict"]

Camera = OpenCVPinholeCamera | OpenCVFisheyeCamera | FThetaCamera

_MODELS: dict[str, type[OpenCVPinholeCamera] | type[OpenCVFisheyeCamera] | type[FThetaCamera]] = {
    model.MODEL: model for model in (OpenCVPinholeCamera, OpenCVFisheyeCamera, FThetaCamera)
}


def camera_from_dict(values: Mapping[str, Any]) -> Camera:
    """Camera from what its ``to_dict`` gave.

    Raises:
        DataError: an unknown model, missing or unknown parameters, or values the model refuses.
    """
    name = values.get("model")
    if name not in _MODELS:
        raise DataError(f"Unknown camera model {name!r}. Use one of {', '.join(_MODELS)}.")
    parameters = {key: value for key, value in values.items() if key != "model"}
    try:
        return _MODELS[name](**parameters)
    except TypeError as error:
        raise DataError(
            f"The parameters of a {name} camera do not fit: {error}. Check the calibration file."
        ) from error
