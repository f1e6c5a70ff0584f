"""A server with an open port."""

from collections.abc import Iterator

import pytest

from tests.conformance.cases.messages import RECEIVE_MAXIMUM
from tests.conformance.peer import Server
from tests.server_process import ServerProcess, init


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("conformance") / "data"
    init(data_dir)
    settings = {"THINGSTEAD_MQTT_RECEIVE_MAXIMUM": str(RECEIVE_MAXIMUM)}
    process = ServerProcess(data_dir, "--open-mqtt-port", "0", **settings).wait_until_serving()
    yield Server("127.0.0.1", process.ports["open_mqtt_port"])
    process.stop()
    assert [record for record in process.records if record["level"] in ("error", "critical")] == []
