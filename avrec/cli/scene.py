"""``avrec scene``: scene files."""

from __future__ import annotations

from avrec.cli.arguments import Flag, FormatName, OutputPath, ScenePath
from avrec.cli.console import print_json, reporting, say

__all__ = ["export", "info"]


def info(scene: ScenePath, *, json: Flag = False) -> None:
    """Say what a scene file holds.

    Example:
        avrec scene info street.usdz

    Args:
        scene: the scene file.
        json: print it as JSON.
    """
    from avrec.scene import Scene

    with reporting():
        opened = Scene.open(scene)
    first_us, last_us = opened.ego.span_us
    frames = {name: len(opened.frames.get(name, ())) for name in opened.cameras}
    held_out = {name: int(mask.sum()) for name, mask in opened.held_out.items()}
    actors = {track: len(cloud) for track, cloud in opened.actors.items()}
    if json:
        figures = {
            "name": opened.name,
            "seconds": (last_us - first_us) / 1e6,
            "frames": frames,
            "held_out": held_out,
            "gaussians": {"static": len(opened.static), "actors": actors},
            "source": opened.source,
        }
        print_json(figures)
        return
    say(f"{opened.name}: {(last_us - first_us) / 1e6:.1f} s")
    say(f"cameras:    {', '.join(f'{name} ({count} frames)' for name, count in frames.items())}")
    say(f"held out:   {sum(held_out.values())} of {sum(frames.values())} frames")
    say(f"Gaussians:  {len(opened.static)} static, {sum(actors.values())} in {len(actors)} actors")


def export(
    scene: ScenePath,
    *,
    output: OutputPath,
    format: FormatName = None,
    overwrite: Flag = False,
) -> None:
    """Write the Gaussians of a scene, or of any file of Gaussians, for other programs.

    What stands still is written; actors and sky stay in the scene.

    Example:
        avrec scene export street.usdz --as spz -o street.spz

    Args:
        scene: a scene file, or Gaussians as PLY, SPZ, .nurec, USD or USDZ.
        output: the file to write.
        format: ply, spz, particlefield, nurec or compact; by default the ending of the output decides.
        overwrite: replace a file that is there already.
    """
    from avrec.scene.foreign import export_gaussians, import_gaussians

    with reporting():
        cloud = import_gaussians(scene)
        export_gaussians(cloud.gaussians, output, format, overwrite=overwrite)
    for sentence in cloud.notes:
        say(sentence)
    say(f"{len(cloud.gaussians)} Gaussians from {cloud.format}: {output} ({output.stat().st_size / 2**20:.1f} MiB)")
