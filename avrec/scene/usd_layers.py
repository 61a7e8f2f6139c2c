"""The USD text layers of a package: the root that simulators open, and the Gaussian volume that it refers to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NUREC_READERS",
    "NUREC_VARIANT",
    "PARTICLE_FIELD_LAYER",
    "PARTICLE_FIELD_READERS",
    "PARTICLE_FIELD_VARIANT",
    "ROOT_LAYER",
    "VOLUME_LAYER",
    "root_layer",
    "volume_layer",
]

ROOT_LAYER = "default.usda"
VOLUME_LAYER = "gauss.usda"
PARTICLE_FIELD_LAYER = "particlefield.usdc"

NUREC_VARIANT = "nurec_for_kit_107_3_to_110_1"
PARTICLE_FIELD_VARIANT = "particlefield_for_kit_110_1_and_later"
NUREC_READERS = "Kit 107.3 to 110.1, Isaac Sim 5.0 to 6.0"
PARTICLE_FIELD_READERS = "Kit 110.1 and later, Isaac Sim 6.0 and later, ovrtx 0.6"

_STAGE = """\
    defaultPrim = "World"
    metersPerUnit = 1
    timeCodesPerSecond = 24
    upAxis = "Z"
"""

_READERS = f"""\
    customLayerData = {{
        dictionary gaussians = {{
            string {NUREC_VARIANT} = "{NUREC_READERS}"
            string {PARTICLE_FIELD_VARIANT} = "{PARTICLE_FIELD_READERS}"
        }}"""

_PROXY = """\
                over "gauss"
                {
                    custom rel proxy = </World/mesh>
                }
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


def root_layer(*, mesh: str | None = None, ground: str | None = None) -> str:
    """Text of `default.usda`: the world, with the Gaussians in two variants and the meshes beside them.

    The variant set ``gaussians`` holds the NuRec volume (`/World/gauss/gauss`, selected), for Kit 107.3 to 110.1, and
    the particle field (`/World/splats/...`), for Kit 110.1 and later; a Kit without the one's schema shows nothing or
    a black box. Meshes are invisible: they are there to collide with and to stand in for the volume.

    Args:
        mesh: member name of the proxy mesh's layer; the volume's ``proxy`` points at it.
        ground: member name of the ground mesh's layer.
    """
    meshes = "".join(_mesh(name, layer) for name, layer in (("mesh", mesh), ("ground", ground)) if layer)
    proxy = _PROXY if mesh else ""
    return f"""#usda 1.0
(
{_RENDER_SETTINGS.replace("    customLayerData = {", _READERS)}{_STAGE})

def Xform "World" (
    variants = {{
        string gaussians = "{NUREC_VARIANT}"
    }}
    prepend variantSets = "gaussians"
)
{{
{meshes}    variantSet "gaussians" = {{
        "{NUREC_VARIANT}" {{
            over "gauss" (
                prepend references = @{VOLUME_LAYER}@
            )
            {{
{proxy}            }}
        }}
        "{PARTICLE_FIELD_VARIANT}" {{
            over "splats" (
                prepend references = @{PARTICLE_FIELD_LAYER}@
            )
            {{
            }}
        }}
    }}
}}
"""


def _mesh(name: str, layer: str) -> str:
    return f"""    over "{name}" (
        prepend references = @{layer}@
    )
    {{
        token visibility = "invisible"
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
