"""A recorded drive played in CARLA, real or embedded, with neural cameras and lidars."""

from carla_bridge.replay.case import Collision
from carla_bridge.replay.lidar_models import LIDARS, LidarModel
from carla_bridge.replay.measurements import Detection, Image, LidarMeasurement
from carla_bridge.replay.session import ReplaySession

__all__ = ["LIDARS", "Collision", "Detection", "Image", "LidarMeasurement", "LidarModel", "ReplaySession"]
