"""The embedded world's cameras drawn from a scene's Gaussians."""

from carla_bridge.neural.renderer import SceneRenderer

__all__ = ["SceneRenderer"]
