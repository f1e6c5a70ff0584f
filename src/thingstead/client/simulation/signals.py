"""What simulated devices measure: signals that look like those of real ones, from a seeded source of chance.

Values drift with the hour of the day, wander around what is usual, are rounded as sensors do, and seldom do something
odd. Instants are seconds since the epoch; a device is asked again and again with instants that do not go back."""

import math
import random
from typing import Any, ClassVar, NamedTuple, Protocol

DAY_S = 86_400.0


class SimulatedEvent(NamedTuple):
    """An event of a simulated device."""

    method: str
    params: dict[str, Any]


class Model(Protocol):
    """A simulated model of devices."""

    type_name: ClassVar[str]
    functions: ClassVar[dict[str, Any]]  # function definition of its device type

    def measure(self, now_s: float) -> dict[str, Any]:
        """Values of the next report."""
        ...

    def event(self) -> SimulatedEvent | None:
        """Event since the last report; usually None."""
        ...

    def push(self, attributes: dict[str, Any]) -> None:
        """Handles values that were pushed to the device."""
        ...

    def run(self, method: str, params: Any) -> dict[str, Any]:
        """Executes a command. Returns the parameters of its reply."""
        ...


class Wander:
    """A value that fluctuates around its mean (a first-order autoregressive process)."""

    def __init__(self, chance: random.Random, spread: float, *, memory_s: float = 1800.0) -> None:
        self._chance = chance
        self._spread = spread  # standard deviation
        self._memory_s = memory_s
        self._value = chance.gauss(0, spread)
        self._at_s: float | None = None

    def at(self, now_s: float) -> float:
        """The value at a time (s)."""
        passed_s = self._memory_s if self._at_s is None else max(0.0, now_s - self._at_s)
        kept = math.exp(-passed_s / self._memory_s)
        self._value = kept * self._value + self._chance.gauss(0, self._spread * math.sqrt(1 - kept * kept))
        self._at_s = now_s
        return self._value


def daily(now_s: float, *, peak_hour: float = 15.0) -> float:
    """Daily cycle: -1 at the coldest hour of the day, 1 at the warmest."""
    return math.cos(2 * math.pi * (now_s / DAY_S - peak_hour / 24))


def number(identifier: str, name: str, unit: str, low: float, high: float, attr_type: str = "report") -> dict[str, Any]:
    """Definition of an attribute of type number."""
    options = {"unit": unit, "min": low, "max": high}
    return {
        "identifier": identifier,
        "name": name,
        "attr_type": attr_type,
        "data_type": "number",
        "data_options": options,
    }


class Thermometer:
    """Temperature and humidity of a room, a battery, and a window that is opened now and then."""

    type_name: ClassVar[str] = "Simulated thermometers"
    functions: ClassVar[dict[str, Any]] = {
        "attributes": [
            number("temperature", "Temperature", "°C", -40, 85),
            number("humidity", "Humidity", "%", 0, 100),
            number("battery", "Battery", "%", 0, 100),
            {"identifier": "window", "name": "Window", "data_type": "switch"},
            number("interval", "Report interval", "s", 1, 86_400, "both"),
        ],
        "events": [{"identifier": "window_opened", "name": "Window opened"}],
        "commands": [{"identifier": "identify", "name": "Blink"}],
    }

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._middle = chance.uniform(17, 24)
        self._temperature = Wander(chance, 0.6)
        self._humidity = Wander(chance, 3.0)
        self._battery = chance.uniform(40, 100)
        self._window = False
        self._opened = False
        self._interval = 60

    def measure(self, now_s: float) -> dict[str, Any]:
        before, self._window = self._window, self._chance.random() < (0.9 if self._window else 0.02)
        self._opened = self._window and not before
        self._battery = max(5.0, self._battery - 0.0005)
        temperature = self._middle + 2.5 * daily(now_s) + self._temperature.at(now_s) - 1.5 * self._window
        humidity = 48 - 6 * daily(now_s) + self._humidity.at(now_s)
        return {
            "temperature": round(temperature, 2),
            "humidity": round(min(95.0, max(15.0, humidity)), 1),
            "battery": round(self._battery),
            "window": self._window,
            "interval": self._interval,
        }

    def event(self) -> SimulatedEvent | None:
        return SimulatedEvent("window_opened", {}) if self._opened else None

    def push(self, attributes: dict[str, Any]) -> None:
        self._interval = attributes.get("interval", self._interval)

    def run(self, method: str, params: Any) -> dict[str, Any]:
        return {"ok": method == "identify"}


class Pump:
    """A pump with a relay that can be switched remotely; it warms up, uses energy, and rarely trips."""

    type_name: ClassVar[str] = "Simulated pumps"
    functions: ClassVar[dict[str, Any]] = {
        "attributes": [
            {"identifier": "relay", "name": "Relay", "attr_type": "both", "data_type": "switch"},
            number("flow", "Flow", "l/min", 0, 200),
            number("pressure", "Pressure", "bar", 0, 16),
            number("temperature", "Winding temperature", "°C", -20, 180),
            number("energy", "Energy", "kWh", 0, 1e9),
            {
                "identifier": "state",
                "name": "State",
                "data_type": "enum",
                "data_options": {
                    "items": [{"value": value, "name": value} for value in ("idle", "running", "tripped")]
                },
            },
        ],
        "events": [
            {
                "identifier": "tripped",
                "name": "Tripped",
                "params": [{"identifier": "temperature", "data_type": "number"}],
            }
        ],
        "commands": [{"identifier": "reset", "name": "Reset after a trip"}],
    }

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._relay = chance.random() < 0.7
        self._tripped = self._trips = False
        self._flow = Wander(chance, 4.0, memory_s=300)
        self._pressure = Wander(chance, 0.15, memory_s=300)
        self._temperature = chance.uniform(20, 60)
        self._energy = chance.uniform(10, 9_000)
        self._at_s: float | None = None

    def measure(self, now_s: float) -> dict[str, Any]:
        passed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._trips = self._relay and not self._tripped and self._chance.random() < 0.001
        self._tripped = self._tripped or self._trips
        running = self._relay and not self._tripped
        goal = 65.0 if running else 22.0
        self._temperature += (goal - self._temperature) * (1 - math.exp(-passed_s / 600)) + self._chance.gauss(0, 0.05)
        self._energy += 1.1 * passed_s / 3600 if running else 0.0
        flow = 80 + self._flow.at(now_s) if running else 0.0
        pressure = 4.2 + self._pressure.at(now_s) if running else 1.0
        return {
            "relay": self._relay,
            "flow": round(max(0.0, flow), 1),
            "pressure": round(max(0.0, pressure), 2),
            "temperature": round(self._temperature, 1),
            "energy": round(self._energy, 3),
            "state": "tripped" if self._tripped else "running" if running else "idle",
        }

    def event(self) -> SimulatedEvent | None:
        return SimulatedEvent("tripped", {"temperature": round(self._temperature, 1)}) if self._trips else None

    def push(self, attributes: dict[str, Any]) -> None:
        self._relay = bool(attributes.get("relay", self._relay))

    def run(self, method: str, params: Any) -> dict[str, Any]:
        if method != "reset":
            return {"ok": False, "message": f"unknown method {method}"}
        was, self._tripped = self._tripped, False
        return {"ok": True, "was_tripped": was}


class Meter:
    """An electricity meter behind a gateway."""

    type_name: ClassVar[str] = "Simulated meters"
    functions: ClassVar[dict[str, Any]] = {
        "attributes": [
            number("voltage", "Voltage", "V", 0, 500),
            number("power", "Power", "W", 0, 50_000),
            number("energy", "Energy", "kWh", 0, 1e9),
        ],
        "commands": [{"identifier": "read_register", "name": "Read a register"}],
    }

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._voltage = Wander(chance, 1.5, memory_s=600)
        self._power = Wander(chance, 120.0, memory_s=900)
        self._base = chance.uniform(150, 900)
        self._energy = chance.uniform(100, 40_000)
        self._at_s: float | None = None

    def measure(self, now_s: float) -> dict[str, Any]:
        passed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        kettle = 2_000 if self._chance.random() < 0.03 else 0
        power = max(20.0, self._base * (1 + 0.4 * daily(now_s, peak_hour=19)) + self._power.at(now_s) + kettle)
        self._energy += power * passed_s / 3_600_000
        return {
            "voltage": round(231 + self._voltage.at(now_s), 1),
            "power": round(power),
            "energy": round(self._energy, 2),
        }

    def event(self) -> SimulatedEvent | None:
        return None

    def push(self, attributes: dict[str, Any]) -> None:
        """Ignores pushes."""

    def run(self, method: str, params: Any) -> dict[str, Any]:
        return {"ok": method == "read_register", "value": round(self._energy, 2)}
