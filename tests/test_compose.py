"""The container files, checked without a container engine: what is published, shared, named and allowed."""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "chain"}  # that run Moray itself
IN_IMAGE = "/opt/moray/deploy/"
SCRIPTS = ("router.sh", "expert.sh", "secrets.sh", "ray.sh", "chain.sh")
# Of the shell or the image; everything else that a script reads must come from the compose file.
GIVEN = {"PATH", "0"}


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, the rest) of each line, continued lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(words[0], words[1]) for line in joined.splitlines() if len(words := line.split(maxsplit=1)) == 2]


def last_stage() -> list[tuple[str, str]]:
    instructions = dockerfile()
    first = max(i for i, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[first:]


def chain_stage() -> list[tuple[str, str]]:
    instructions = dockerfile()
    starts = [i for i, (name, _) in enumerate(instructions) if name == "FROM"]
    (first,) = [i for i in starts if instructions[i][1].endswith(" AS chain")]
    return instructions[first : starts[starts.index(first) + 1]]


def script_of(service: str) -> Path:
    command: str
    (command,) = SERVICES[service]["command"]
    assert command.startswith(IN_IMAGE)
    return ROOT / "deploy" / command.removeprefix(IN_IMAGE)


def mounts(service: str) -> dict[str, tuple[str, bool]]:
    """Target: source, read-only."""
    volumes = SERVICES[service]["volumes"]
    return {volume["target"]: (volume["source"], volume.get("read_only", False)) for volume in volumes}


def sourced(script: Path) -> str:
    """The script without comments, with what it sources."""
    text = "\n".join(line for line in script.read_text().splitlines() if not line.lstrip().startswith("#"))
    return text + ((ROOT / "deploy" / "ray.sh").read_text() if "/ray.sh" in text else "")


def read_variables(text: str) -> set[str]:
    return set(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", text))


def substituted(value: Any) -> set[str]:
    """The variables of the operator that a part of the compose file takes."""
    return set(re.findall(r"\$\{([A-Z0-9_]+)", str(value)))


def test_there_are_one_router_expert_nodes_and_the_secrets() -> None:
    assert set(OURS) == {"secrets", "router", "expert"}
    assert SERVICES["expert"]["deploy"]["replicas"] == SERVICES["router"]["environment"]["MORAY_NODES"]
    assert "container_name" not in SERVICES["expert"]  # it could not be scaled
    assert "hostname" not in SERVICES["expert"]  # nodes would share one name


def test_only_the_gateway_is_published_and_on_the_loopback_interface_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "router": ["127.0.0.1:${MORAY_PORT:-8000}:8000"],
        "chain": ["127.0.0.1:${MORAY_CHAIN_PORT:-8545}:8545"],
    }
    assert SERVICES["router"]["environment"]["MORAY_HTTP_PORT"] == "8000"
    assert not any("network_mode" in service and service["network_mode"] != "none" for service in SERVICES.values())


def test_expert_nodes_reach_the_router_and_nothing_else() -> None:
    assert COMPOSE["networks"]["internal"]["internal"] is True
    assert SERVICES["expert"]["networks"] == ["internal"]
    aliases = SERVICES["router"]["networks"]["internal"]["aliases"]
    assert [SERVICES[name]["environment"]["MORAY_RAY_HOST"] for name in ("router", "expert")] == aliases * 2


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode", "user"} & set(service)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert not any("docker.sock" in source for source, _ in mounts(name).values())


@pytest.mark.parametrize("name", ["router", "expert", "chain"])
def test_memory_is_limited_by_a_variable(name: str) -> None:
    assert substituted(SERVICES[name]["deploy"]["resources"]["limits"]["memory"])


def test_model_and_secrets_are_at_the_same_path_everywhere() -> None:
    assert mounts("router") == mounts("expert")
    state = SERVICES["router"]["environment"]["MORAY_STATE_DIR"]
    model = SERVICES["router"]["environment"]["MORAY_MODEL"]
    assert mounts("router")[state] == ("state", False) == mounts("secrets")[state]
    assert mounts("router")[model][1] is True
    for service in OURS.values():
        assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == f"{state}/ray_token"
        assert service["environment"]["MORAY_STATE_DIR"] == state


def test_nodes_start_after_the_secrets_are_made() -> None:
    for name in ("router", "expert"):
        assert SERVICES[name]["depends_on"] == {"secrets": {"condition": "service_completed_successfully"}}
    assert SERVICES["secrets"]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_command_exists_is_in_the_image_and_gets_every_variable_that_it_reads(name: str) -> None:
    script = script_of(name)
    assert os.access(script, os.X_OK)
    stage = chain_stage() if name == "chain" else last_stage()
    copied = {Path(word).name for kind, rest in stage if kind == "COPY" for word in rest.split()}
    assert script.name in copied
    missing = read_variables(sourced(script)) - GIVEN - set(SERVICES[name]["environment"])
    assert missing == set()


def test_the_development_chain_runs_only_when_it_is_asked_for_and_knows_nothing_of_the_network() -> None:
    chain = SERVICES["chain"]
    assert chain["profiles"] == ["chain"] and chain["build"]["target"] == "chain"
    assert mounts("chain") == {"/var/lib/chain": ("chain", False)} and chain["networks"] == ["front"]
    assert "--state /var/lib/chain/" in script_of("chain").read_text()


def test_no_environment_holds_a_secret() -> None:
    for service in SERVICES.values():
        assert not [key for key in service["environment"] if "TOKEN" in key and not key.endswith("_PATH")]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_stop_at_the_first_error_and_open_nothing_more(script: str) -> None:
    path = ROOT / "deploy" / script
    text = path.read_text()
    if script != "ray.sh":
        assert text.startswith("#!/usr/bin/env bash\n") and "\nset -euo pipefail\n" in text
    assert not stat.S_IMODE(path.stat().st_mode) & 0o022
    assert "RAY_AUTH_MODE=token" in sourced(path) or script in ("secrets.sh", "chain.sh")
    assert "--dashboard-host" not in text
    if script == "router.sh":
        assert "--include-dashboard=false" in text


def test_the_image_is_slim_and_does_not_run_as_root() -> None:
    bases = [rest.split()[0] for name, rest in dockerfile() if name == "FROM"]
    assert bases == ["python:3.11-slim", "node:22-slim", "python:3.11-slim"]
    for stage in (last_stage(), chain_stage()):
        users = [rest for name, rest in stage if name == "USER"]
        assert users and users[-1].split(":")[0] not in ("root", "0")


def test_the_image_checks_the_routers_health() -> None:
    (check,) = [rest for name, rest in last_stage() if name == "HEALTHCHECK"]
    assert "/healthz" in check and "MORAY_HTTP_PORT" in check
    assert "healthcheck" not in SERVICES["router"]
    assert SERVICES["expert"]["healthcheck"] == SERVICES["secrets"]["healthcheck"] == {"disable": True}


def test_everything_that_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"  # nothing but what is named
    named = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    for name, rest in dockerfile():
        if name != "COPY" or "--from=" in rest:
            continue
        *sources, _ = shlex.split(rest)
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source == "." or Path(source).parts[0] in named
    assert named >= {link.name for link in (ROOT / "src" / "moray").iterdir() if link.is_symlink()}
    assert not any(word in name for name in named for word in ("env", "token", "moray", "git"))


def test_the_image_takes_no_secret_and_names_no_package_index() -> None:
    arguments = dict(rest.split("=", 1) for name, rest in dockerfile() if name == "ARG")
    assert arguments == {"TORCH_INDEX_URL": '""'}
    assert not any(re.search(r"https?://(?!127\.0\.0\.1)", rest) for _, rest in dockerfile())
    assert "constraints.txt" in (ROOT / "Dockerfile").read_text()


def test_every_variable_of_the_operator_has_a_default_but_the_model() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{([A-Z0-9_]+):\?", text)) == {"MORAY_MODEL_DIR"}
    assert re.findall(r"\$\{[A-Z0-9_]+\}|\$[A-Z]", text) == []


def test_the_guide_names_every_variable_of_the_operator() -> None:
    guide = (ROOT / "docs" / "deploy.md").read_text()
    assert {name for name in substituted(COMPOSE) if name not in guide} == set()
