"""Streams of snapshots and sensor data to any number of readers."""
