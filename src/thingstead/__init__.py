"""Thingstead: a self-hosted IoT application platform that speaks the wire of ThingsCloud."""

__version__ = "0.1.0"
