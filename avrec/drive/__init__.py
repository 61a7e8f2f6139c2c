"""The recorded drive as data."""

from avrec.drive.drive import CameraSensor, Drive, Frame, LidarPoints, LidarSweep, Track

__all__ = ["CameraSensor", "Drive", "Frame", "LidarPoints", "LidarSweep", "Track"]
