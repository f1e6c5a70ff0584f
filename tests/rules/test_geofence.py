"""Places within circles and polygons."""

from math import isclose

import pytest

from tests.rules.making import Device, rule
from thingstead.model.alarms.rule import Circle, MapPoint
from thingstead.rules.geofence import place, within_circle, within_polygon

BERLIN = {"lat": 52.52, "lng": 13.405}
POTSDAM = {"lat": 52.3906, "lng": 13.0645}  # 27.2 km from Berlin
CIRCLE = {"center": BERLIN, "radius_m": 30_000}
L_SHAPE = [{"lat": lat, "lng": lng} for lat, lng in [(0, 0), (0, 4), (1, 4), (1, 1), (4, 1), (4, 0)]]


def test_the_border_of_a_circle_is_its_radius_along_the_ground() -> None:
    center = MapPoint(lat=0, lng=0)
    degree_m = 111_195.08  # of a great circle on a sphere with the Earth's mean radius
    assert within_circle(Circle(center=center, radius_m=degree_m + 1))(0, 1)
    assert not within_circle(Circle(center=center, radius_m=degree_m - 1))(0, 1)
    assert within_circle(Circle(center=center, radius_m=degree_m + 1))(-1, 0)


def test_a_circle_reaches_over_the_date_line_and_the_pole() -> None:
    assert within_circle(Circle(center=MapPoint(lat=0, lng=179.9), radius_m=30_000))(0, -179.9)
    assert within_circle(Circle(center=MapPoint(lat=89.9, lng=0), radius_m=30_000))(89.9, 180)


@pytest.mark.parametrize(
    ("lat", "lng", "inside"),
    [
        (0.5, 0.5, True),
        (3, 0.5, True),
        (0.5, 3, True),
        (3, 3, False),
        (-1, 0.5, False),
        (5, 0.5, False),
        (2, 1.5, False),
    ],
)
def test_a_polygon_may_have_corners_that_point_inwards(lat: float, lng: float, inside: bool) -> None:
    points = [MapPoint(**each) for each in L_SHAPE]
    assert within_polygon(points)(lat, lng) is inside
    assert within_polygon(points[::-1])(lat, lng) is inside
    assert within_polygon(points[2:] + points[:2])(lat, lng) is inside


def test_leaving_a_circle_raises_and_coming_back_clears() -> None:
    device = Device(rule({"attribute": "place", "op": "outside", "circle": CIRCLE}))
    assert device.report(1, place=POTSDAM) == []
    assert device.report(2, place={"lat": 48.1, "lng": 11.6}) == [(2, 2)]
    assert device.report(3, place=BERLIN) == [(0, 3)]


def test_a_deadband_moves_the_border_of_a_circle_for_an_open_alarm() -> None:
    smaller = {**CIRCLE, "radius_m": 26_000}
    leaving = Device(rule({"attribute": "place", "op": "outside", "circle": smaller, "deadband": 5_000}))
    assert leaving.report(1, place=POTSDAM) == [(2, 1)]
    assert leaving.report(2, place={"lat": 52.42, "lng": 13.1}) == []  # 23.5 km
    assert leaving.report(3, place=BERLIN) == [(0, 3)]
    coming = Device(rule({"attribute": "place", "op": "inside", "circle": CIRCLE, "deadband": 5_000}))
    assert coming.report(1, place=POTSDAM) == [(2, 1)]
    assert coming.report(2, place={"lat": 52.36, "lng": 13.0}) == []  # 32.7 km
    assert coming.report(3, place={"lat": 48.1, "lng": 11.6}) == [(0, 3)]


def test_a_polygon_raises_inside() -> None:
    device = Device(rule({"attribute": "place", "op": "inside", "polygon": L_SHAPE}))
    assert device.report(1, place={"lat": 3, "lng": 3}) == []
    assert device.report(2, place={"lat": 3, "lng": 0.5}) == [(2, 2)]
    assert device.report(3, place={"lat": 3, "lng": 3}) == [(0, 3)]


def test_what_is_no_place_is_neither_inside_nor_outside() -> None:
    for op in ("inside", "outside"):
        for value in (1, "Berlin", {"lat": 1}, {"lat": "1", "lng": 1}, {"lat": True, "lng": 1}, [1, 2], None):
            device = Device(rule({"attribute": "place", "op": op, "circle": CIRCLE}))
            assert device.report(1, place=value) == []
    found = place({"lat": 1, "lng": 2.5, "alt": 3})
    assert found is not None
    assert isclose(found[1], 2.5)
