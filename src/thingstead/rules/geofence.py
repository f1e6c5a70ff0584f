"""Tests whether a position is inside a circle or a polygon on the Earth."""

from collections.abc import Callable, Sequence
from math import asin, cos, radians, sin, sqrt
from typing import Any

from thingstead.model.alarms.rule import Circle, MapPoint

EARTH_RADIUS_M = 6_371_008.8  # mean radius; ignoring the flattening of the Earth changes distances by up to 0.5 %

Within = Callable[[float, float], bool]  # (lat, lng) in degrees


def within_circle(circle: Circle, deadband_m: float = 0.0) -> Within:
    """Matches positions within the radius plus the deadband of the center, by great-circle distance."""
    lat, lng = radians(circle.center.lat), radians(circle.center.lng)
    reach_m = max(0.0, circle.radius_m + deadband_m)
    cos_lat = cos(lat)

    def within(place_lat: float, place_lng: float) -> bool:
        other = radians(place_lat)
        half = (
            sin((other - lat) / 2) ** 2 + cos_lat * cos(other) * sin((radians(place_lng) - lng) / 2) ** 2
        )  # haversine: exact enough for centimeters, unlike the law of cosines
        return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half))) <= reach_m

    return within


def within_polygon(points: Sequence[MapPoint]) -> Within:
    """Matches positions inside a polygon (even-odd rule).

    Edges are straight in degrees, as maps draw them. The polygon must not cross the 180th meridian.
    """
    ends = [(point.lat, point.lng) for point in points]
    edges = list(zip(ends, ends[1:] + ends[:1], strict=True))

    def within(lat: float, lng: float) -> bool:
        inside = False
        for (lat_a, lng_a), (lat_b, lng_b) in edges:
            # The half-open comparison counts a corner for only one of its two edges.
            if (lng_a > lng) != (lng_b > lng) and lat < (lat_b - lat_a) * (lng - lng_a) / (lng_b - lng_a) + lat_a:
                inside = not inside
        return inside

    return within


def place(value: Any) -> tuple[float, float] | None:
    """The (lat, lng) of a ``map_point`` value; None for any other value."""
    if type(value) is not dict:
        return None
    lat, lng = value.get("lat"), value.get("lng")
    if (type(lat) is float or type(lat) is int) and (type(lng) is float or type(lng) is int):
        return lat, lng
    return None
