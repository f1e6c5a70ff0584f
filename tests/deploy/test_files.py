"""The files for containers and Kubernetes agree with the server: settings, ports, user and paths."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.server_process import thingstead
from thingstead import __version__
from thingstead.config import Config

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PORTS = {Config().http_port, Config().mqtt_port, 28801}  # the last one: tcp_port = auto
USER = "65532"


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile, with continued lines joined and comments left out."""
    text = (DEPLOY / "container" / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def given(name: str) -> str:
    return " ".join(rest for instruction, rest in instructions() if instruction == name)


def test_the_image_runs_as_nobody_in_particular_and_opens_the_ports_of_the_server() -> None:
    assert given("USER") == f"{USER}:{USER}"
    assert {int(port) for port in given("EXPOSE").split()} == PORTS
    assert given("VOLUME") == "/data"
    assert "/readyz" in given("HEALTHCHECK")
    assert {name for name, _ in instructions()} <= {
        *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM"),
        *("HEALTHCHECK", "RUN", "STOPSIGNAL", "USER", "VOLUME"),
    }


def test_the_image_is_made_of_what_script_wheel_writes() -> None:
    copied = [rest.split()[0] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    assert copied == ["dist/requirements-container.txt", "dist/thingstead-*.whl"]
    written = (ROOT / "script" / "wheel").read_text(encoding="utf-8")
    assert 'cp requirements/container.txt "$folder/requirements-container.txt"' in written
    ignored = (DEPLOY / "container" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert ignored.splitlines() == ["*", "!dist"]


def test_the_image_and_the_compose_file_set_only_settings_that_there_are(tmp_path: Path) -> None:
    environ = dict(re.findall(r"(THINGSTEAD_\w+)=(\S+)", given("ENV")))
    (compose,) = documents("container/compose.yaml")
    environ |= compose["services"]["thingstead"]["environment"]
    domain = re.compile(r"\$\{THINGSTEAD_DOMAIN[^}]*\}")
    checked = thingstead(
        "check-config", **{name: domain.sub("iot.example.com", text) for name, text in environ.items()}
    )
    assert checked.returncode == 0, checked.stderr
    proxy = compose["services"]["proxy"]["networks"]["inside"]["ipv4_address"]
    assert environ["THINGSTEAD_HTTP_TRUSTED_PROXIES"] == proxy


def test_the_services_of_the_compose_file_use_its_volumes_and_files() -> None:
    (compose,) = documents("container/compose.yaml")
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / "container" / source).is_file(), volume
    assert compose["services"]["thingstead"]["read_only"] is True
    assert compose["services"]["backup"]["network_mode"] == "none"


def test_the_pair_of_the_compose_file_is_set_up_as_the_balancer_expects() -> None:
    (compose,) = documents("cluster/compose.yaml")
    nodes = {name: service for name, service in compose["services"].items() if service["image"] == "thingstead"}
    assert set(nodes) == {"node1", "node2"}
    for name, node in nodes.items():
        environ = node["environment"]
        assert environ["THINGSTEAD_CLUSTER_NODE_NAME"] == name
        password = re.compile(r"\$\{DATABASE_PASSWORD:-([^}]*)\}")
        checked = thingstead("check-config", **{key: password.sub(r"\1", value) for key, value in environ.items()})
        assert checked.returncode == 0, checked.stderr
        assert "/healthz" in str(node["healthcheck"]["test"])
    balancer = (DEPLOY / "cluster" / "haproxy.cfg").read_text(encoding="utf-8")
    assert "GET /readyz" in balancer
    servers = re.findall(r"server (\w+) (\w+):(\d+) check", balancer)
    assert {(server, host) for server, host, _ in servers} == {(name, name) for name in nodes}
    assert {int(port) for *_, port in servers} == PORTS


@pytest.fixture(scope="module")
def pod() -> Any:
    stateful, _ = documents("kubernetes/thingstead.yaml")
    return stateful["spec"]["template"]["spec"]


def test_the_pod_runs_the_image_of_this_version_without_rights(pod: Any) -> None:
    (container,) = pod["containers"]
    assert container["image"] == f"thingstead:{__version__}"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert str(pod["securityContext"]["runAsUser"]) == USER
    assert pod["enableServiceLinks"] is False
    assert {port["containerPort"] for port in container["ports"]} == PORTS


def test_two_pods_never_share_a_data_folder() -> None:
    stateful, service = documents("kubernetes/thingstead.yaml")
    assert (stateful["kind"], stateful["spec"]["replicas"]) == ("StatefulSet", 1)
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    names = {port["name"] for port in stateful["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == names
    assert service["spec"]["selector"] == stateful["spec"]["template"]["metadata"]["labels"]
