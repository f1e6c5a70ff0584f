"""Copy this to config.py and fill it in."""

WIFI_SSID = "your network"
WIFI_PASSWORD = "its password"  # noqa: S105 - to be filled in
HOST = "192.168.1.10"
PORT = 1883
ACCESS_TOKEN = "access_token of GET /api/v1/device/<id>/certificate"  # noqa: S105
PROJECT_KEY = "project_key of the same answer"
REPORT_INTERVAL_MS = 30_000
WATCHDOG_MS = 180_000
