"""The two USD text layers of a package: the root that simulators open, and the Gaussian volume it refers to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROOT_LAYER", "VOLUME_LAYER", "root_layer", "volume_layer"]

ROOT_LAYER = "default.usda"
VOLUME_LAYER = "gauss.usda"

_STAGE = """\
    defaultPrim = "World"
    metersPerUnit = 1
    timeCodesPerSecond = 24
    upAxis = "Z"
"""

# What Kit has to switch for Gaussians to keep their own colours and blend among themselves.
_RENDER_SETTINGS = """\
    customLayerData = {
        dictionary renderSettings = {
            string "rtx:rendermode" = "RaytracedLighting"
            int "rtx:directLighting:sampledLighting:samplesPerPixel" = 8
            bool "rtx:post:histogram:enabled" = 0
            bool "rtx:post:registeredCompositing:invertToneMap" = 1
            bool "rtx:post:registeredCompositing:invertColorCorrection" = 1
            bool "rtx:material:enableRefraction" = 0
            int "rtx:post:tonemap:op" = 2
            bool "rtx:raytracing:fractionalCutoutOpacity" = 0
            bool "rtx:matteObject:visibility:secondaryRays" = 1
        }
    }
"""


def root_layer() -> str:
    """Text of `default.usda`: the world, with the volume layer referenced below it as `/World/gauss/gauss`."""
    return f"""#usda 1.0
(
{_RENDER_SETTINGS}{_STAGE})

def Xform "World"
{{
    over "gauss" (
        prepend references = @{VOLUME_LAYER}@
    )
    {{
    }}
}}
"""


def volume_layer(payload: str, low: NDArray[np.float32], high: NDArray[np.float32]) -> str:
    """Text of `gauss.usda`: the volume and its two field assets.

    The volume's transform is the identity, the only one that every reader understands alike; the scene's offset
    travels in `rig_trajectories.json` as `world_to_nre`.

    Args:
        payload: member name of the `.nurec` volume.
        low: float32 [3], lowest stored position, metres.
        high: float32 [3], highest.
    """
    bounds = _vector(low), _vector(high)
    identity = "((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))"
    return f"""#usda 1.0
(
{_RENDER_SETTINGS}{_STAGE})

def Xform "World"
{{
    def Volume "gauss"
    {{
        float3[] extent = [{bounds[0]}, {bounds[1]}]
        custom rel field:density = </World/gauss/density_field>
        custom rel field:emissiveColor = </World/gauss/emissive_color_field>
        custom float3 omni:nurec:crop:maxBounds = {bounds[1]}
        custom float3 omni:nurec:crop:minBounds = {bounds[0]}
        custom bool omni:nurec:isNuRecVolume = 1
        custom float3 omni:nurec:offset = (0, 0, 0)
        custom bool omni:nurec:useProxyTransform = 0
        custom rel proxy
        matrix4d xformOp:transform = {identity}
        uniform token[] xformOpOrder = ["xformOp:transform"]

        def OmniNuRecFieldAsset "density_field"
        {{
            custom token fieldDataType = "float"
            custom token fieldName = "density"
            custom token fieldRole = "density"
            custom asset filePath = @./{payload}@
        }}

        def OmniNuRecFieldAsset "emissive_color_field"
        {{
            custom token fieldDataType = "float3"
            custom token fieldName = "emissiveColor"
            custom token fieldRole = "emissiveColor"
            custom asset filePath = @./{payload}@
            custom float4 omni:nurec:ccmB = (0, 0, 1, 0)
            custom float4 omni:nurec:ccmG = (0, 1, 0, 0)
            custom float4 omni:nurec:ccmR = (1, 0, 0, 0)
        }}
    }}
}}
"""


def _vector(values: NDArray[np.float32]) -> str:
    """Shortest decimals that read back as the same float32."""
    return "(" + ", ".join(str(np.float32(value)) for value in values) + ")"
