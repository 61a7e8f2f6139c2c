"""``avrec scene``: scene files."""

from __future__ import annotations

from typing import Literal

from avrec.cli.arguments import (
    Flag,
    FormatName,
    GaussiansPath,
    OptionalFile,
    OutputPath,
    Place,
    ScenePath,
    TrackName,
    parse_numbers,
    refuse_existing,
)
from avrec.cli.console import print_json, reporting, say
from avrec.cli.scene_text import info_lines
from avrec.errors import AvrecError, OutputError

__all__ = ["export", "import_", "info"]


def info(scene: ScenePath, *, json: Flag = False) -> None:
    """Say what a scene file holds: layers, cameras, actors, meshes, map, place on Earth and where it comes from.

    Files by other tools are described as far as they say.

    Example:
        avrec scene info street.usdz

    Args:
        scene: the scene file, ours or somebody else's.
        json: print it as JSON.
    """
    from avrec.scene import scene_info

    with reporting():
        figures = scene_info(scene)
    if json:
        print_json(figures)
        return
    for line in info_lines(figures):
        say(line)


def import_(
    gaussians: GaussiansPath,
    *,
    output: OutputPath,
    rig: OptionalFile = None,
    tracks: OptionalFile = None,
    map: OptionalFile = None,
    mesh: OptionalFile = None,
    ground: OptionalFile = None,
    anchor: Place = None,
    up: Literal["z", "-z", "y", "-y", "x", "-x"] = "z",
    scale: float = 1.0,
    overwrite: Flag = False,
) -> None:
    """Make a scene from somebody else's Gaussians, or from a plain cloud of points.

    From a NuRec package everything is taken that it has; the options replace single parts. Without a rig a camera is
    made up that looks at the cloud, so that the other verbs work.

    Example:
        avrec scene import gaussians.ply -o street.usdz --rig rig_trajectories.json --up=-y

    Args:
        gaussians: Gaussians as PLY, SPZ, .nurec, USD or USDZ, or points as PLY.
        output: scene file to write, e.g. street.usdz.
        rig: cameras and path: rig_trajectories.json, or a scene file to take them from.
        tracks: actors: sequence_tracks.json, or a scene file to take them from.
        map: OpenDRIVE map.
        mesh: surface as PLY.
        ground: surface to drive on as PLY, z up.
        anchor: place of the world's origin on Earth, x pointing east: degrees and metres above the ellipsoid.
        up: which axis of the Gaussians and the mesh points up; -y for most photogrammetry.
        scale: metres per unit of the Gaussians and the mesh.
        overwrite: replace a file that is there already.
    """
    from avrec.geometry import Anchor
    from avrec.scene import import_scene

    place = parse_numbers(anchor, "--anchor")
    if anchor is not None and len(place) not in (2, 3):
        raise AvrecError(f"--anchor '{anchor}' is no place. Write latitude,longitude,altitude: --anchor 48.1,11.6,520")
    refuse_existing(output, overwrite=overwrite)
    if output.suffix != ".usdz":
        raise OutputError(f"A scene is saved as a .usdz file, found {output.name!r}; choose a name ending in .usdz.")
    with reporting():
        scene = import_scene(
            gaussians,
            rig=rig,
            tracks=tracks,
            map=map,
            mesh=mesh,
            ground=ground,
            anchor=Anchor(*place) if place else None,
            up=up,
            scale=scale,
        )
        scene.save(output, overwrite=overwrite)
    for sentence in scene.source.get("imported", {}).get("notes") or scene.source.get("notes", ()):
        say(sentence)
    for part, stand_in in scene.source.get("assumed", {}).items():
        say(f"Stand-in for the {part}: {stand_in}.")
    parts = ", ".join([_count(len(scene.cameras), "camera"), _count(len(scene.tracks), "actor")])
    say(f"{output} is ready: {_count(scene.gaussian_count, 'Gaussian')}, {parts}.")
    say(f"Next: avrec validate {output}")


def export(
    scene: ScenePath,
    *,
    output: OutputPath,
    format: FormatName = None,
    actor: TrackName = None,
    overwrite: Flag = False,
) -> None:
    """Write the Gaussians of a scene, or of any file of Gaussians, for other programs; or its mesh as OBJ.

    What stands still is written; actors and sky stay in the scene.

    Example:
        avrec scene export street.usdz --as spz -o street.spz

    Args:
        scene: a scene file, or Gaussians as PLY, SPZ, .nurec, USD or USDZ.
        output: the file to write.
        format: ply, spz, particlefield, nurec, compact or obj (the mesh); by default the ending of the output decides.
        actor: write this actor instead, in the frame of its box (x forward, z up, origin in the middle).
        overwrite: replace a file that is there already.
    """
    from avrec.scene.foreign import export_format, export_gaussians, import_gaussians

    if export_format(format, output) == "obj":
        if actor is not None:
            raise AvrecError("An actor has no mesh, so it cannot be written as OBJ. Choose another format for it.")
        _export_mesh(scene, output, overwrite=overwrite)
        return
    with reporting():
        cloud = import_gaussians(scene)
        chosen = cloud.world_gaussians() if actor is None else cloud.actors.get(actor)
        if chosen is None or not len(chosen):  # a track may be known by its box alone
            known = ", ".join([name for name, gaussians in cloud.actors.items() if len(gaussians)][:20]) or "none"
            raise AvrecError(f"No actor '{actor}' with Gaussians of its own is in {scene}; it has {known}.")
        export_gaussians(chosen, output, format, overwrite=overwrite)
    for sentence in cloud.notes:
        say(sentence)
    if actor is None:
        bodies = sum(len(gaussians) > 0 for gaussians in cloud.actors.values())
        left = ([_count(bodies, "actor")] if bodies else []) + (["the sky"] if cloud.sky is not None else [])
        if left:
            say(f"Left out: {' and '.join(left)}.")
    say(f"{_count(len(chosen), 'Gaussian')} from {cloud.format}: {output} ({output.stat().st_size / 2**20:.1f} MiB)")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _export_mesh(scene: ScenePath, output: OutputPath, *, overwrite: bool) -> None:
    from avrec.scene.foreign import read_package_mesh, write_obj

    with reporting():
        mesh, what = read_package_mesh(scene)
        write_obj(mesh, output, overwrite=overwrite)
    colours = "with colours" if mesh.colours is not None else "without colours"
    size = f"{output.stat().st_size / 2**20:.1f} MiB"
    say(f"The {what} mesh, {len(mesh.faces)} triangles {colours}: {output} ({size})")
