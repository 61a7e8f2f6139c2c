"""The recorded drive as data."""

from avrec.drive.drive import CameraSensor, Drive, Frame, LidarPoints, LidarSweep, RigBox, Side, Track

__all__ = ["CameraSensor", "Drive", "Frame", "LidarPoints", "LidarSweep", "RigBox", "Side", "Track"]
