"""The catalogue of what can be spawned."""

from carla_bridge.server.blueprints.catalogue import Attribute, Blueprint, catalogue, spec_of

__all__ = ["Attribute", "Blueprint", "catalogue", "spec_of"]
