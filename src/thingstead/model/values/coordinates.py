"""Coordinates of China: WGS-84 (of GPS), GCJ-02 (of Amap, Tencent) and BD-09 (of Baidu).

GCJ-02 and BD-09 are WGS-84 with an offset that changes from place to place; outside of a rectangle around China there
is none. The inverse of an offset is found by fixed-point rounds.
"""

from collections.abc import Callable
from math import atan2, cos, pi, sin, sqrt
from typing import Literal

CoordinateSystem = Literal["wgs84", "gcj02", "bd09"]
Convert = Callable[[float, float], tuple[float, float]]  # (latitude, longitude) in degrees

SEMI_MAJOR_AXIS_M = 6_378_245.0  # of the Krasovsky ellipsoid
ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943
ROUNDS = 6  # the fourth changes nothing above 0.1 mm
DECIMALS = 8  # of a degree: about 1 mm
_BD_TURNS = pi * 3000.0 / 180.0


def converter(source: CoordinateSystem, target: CoordinateSystem) -> Convert:
    """The function that converts from one system to another."""
    steps: dict[tuple[str, str], tuple[Convert, ...]] = {
        ("wgs84", "gcj02"): (_to_gcj02,),
        ("wgs84", "bd09"): (_to_gcj02, _to_bd09),
        ("gcj02", "bd09"): (_to_bd09,),
        ("gcj02", "wgs84"): (_inverse(_to_gcj02),),
        ("bd09", "gcj02"): (_inverse(_to_bd09),),
        ("bd09", "wgs84"): (_inverse(_to_bd09), _inverse(_to_gcj02)),
    }
    chosen = steps.get((source, target), ())

    def convert(latitude: float, longitude: float) -> tuple[float, float]:
        if not (0.8293 <= latitude <= 55.8271 and 72.004 <= longitude <= 137.8347):
            return latitude, longitude
        for step in chosen:
            latitude, longitude = step(latitude, longitude)
        return round(latitude, DECIMALS), round(longitude, DECIMALS)

    return convert


def _to_gcj02(latitude: float, longitude: float) -> tuple[float, float]:
    x, y = longitude - 105.0, latitude - 35.0
    common = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    root, product = sqrt(abs(x)), x * y
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * product + 0.2 * root + common
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * product + 0.1 * root + common
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    radians = latitude / 180.0 * pi
    magic = 1.0 - ECCENTRICITY_SQUARED * sin(radians) ** 2
    root = sqrt(magic)
    north = north * 180.0 / (SEMI_MAJOR_AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / (magic * root) * pi)
    east = east * 180.0 / (SEMI_MAJOR_AXIS_M / root * cos(radians) * pi)
    return latitude + north, longitude + east


def _to_bd09(latitude: float, longitude: float) -> tuple[float, float]:
    distance = sqrt(longitude * longitude + latitude * latitude) + 0.000_02 * sin(latitude * _BD_TURNS)
    angle = atan2(latitude, longitude) + 0.000_003 * cos(longitude * _BD_TURNS)
    return distance * sin(angle) + 0.006, distance * cos(angle) + 0.0065


def _inverse(forth: Convert) -> Convert:
    def back(latitude: float, longitude: float) -> tuple[float, float]:
        found_latitude, found_longitude = latitude, longitude
        for _ in range(ROUNDS):
            there_latitude, there_longitude = forth(found_latitude, found_longitude)
            found_latitude += latitude - there_latitude
            found_longitude += longitude - there_longitude
        return found_latitude, found_longitude

    return back
