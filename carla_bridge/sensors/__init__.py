"""Sensors of the embedded world: what they measure, when, and how it is written to the stream."""
