"""A caller of the Project API, for tests that need one to get at something else."""

from typing import Any

import httpx

from thingstead.services.registry.projects import Credentials


class ProjectApi:
    """Logged in as the application of a project."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=20, trust_env=False)
        keys = {name: getattr(credentials, name) for name in ("app_id", "access_key", "secret_key")}
        self.log_in_with(self.call("POST", "/access_token", json=keys)["access_token"])

    def __enter__(self) -> "ProjectApi":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def log_in_with(self, token: str) -> None:
        """Calls from now on are those of this AccessToken."""
        self._client.headers["Authorization"] = f"Bearer {token}"

    @property
    def headers(self) -> dict[str, str]:
        """Those of every call."""
        return {"Authorization": self._client.headers["Authorization"]}

    def answer(self, method: str, path: str, **request: Any) -> Any:
        """The whole answer of a call."""
        return self._client.request(method, path, **request).json()

    def call(self, method: str, path: str, **request: Any) -> Any:
        """The ``info`` of a call that succeeds."""
        answer = self.answer(method, path, **request)
        assert answer["result"] is True, answer
        return answer["info"]

    def create_device(self, **members: Any) -> "Certificate":
        """A new device, and what it logs in with."""
        device_id = self.call("POST", "/device", json={"name": "pump", **members})["id"]
        certificate = self.call("GET", f"/device/{device_id}/certificate")
        return Certificate(device_id, certificate["access_token"], certificate["project_key"])

    def device(self, device_id: str) -> Any:
        return self.call("GET", f"/device/{device_id}")

    def attributes(self, device_id: str) -> dict[str, Any]:
        """The current values by identifier."""
        items = self.call("GET", f"/device/{device_id}/attributes")
        return {item["identifier"]: item["value"] for item in items}

    def series(self, device_id: str, identifier: str) -> list[Any]:
        """Every value of an attribute, newest first."""
        values: list[Any] = []
        page = 1
        while items := self.call(
            "GET",
            f"/device/{device_id}/attribute/{identifier}/series",
            params={"page": page, "page_records": 500},
        ):
            values += [item["value"] for item in items]
            page += 1
        return values


class Certificate:
    """A device's id and what it logs in with."""

    def __init__(self, device_id: str, access_token: str, project_key: str) -> None:
        self.device_id = device_id
        self.access_token = access_token
        self.project_key = project_key
