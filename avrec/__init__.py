"""avrec: a recorded drive becomes a scene that simulators can replay and look at from new poses."""
