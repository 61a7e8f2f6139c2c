"""An agent that drives a route with nothing but the public calls of the `carla` client."""

from carla_bridge.route_agent.agent import AgentSettings, RouteAgent
from carla_bridge.route_agent.lanes import LaneNetwork
from carla_bridge.route_agent.route import Route

__all__ = ["AgentSettings", "LaneNetwork", "Route", "RouteAgent"]
