"""The files for a container, read only: no engine runs here to build or run one."""

import fnmatch
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "contrib" / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["ichat-gw"]


def copied() -> list[str]:
    """What is copied from the repository into the image."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()]


def test_all_that_is_copied_is_there_and_not_left_out() -> None:
    rules = [line for line in (DOCKER / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"]
    assert copied()
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source.removeprefix("./"), rule[1:]) for rule in rules), source


def test_it_runs_what_is_installed_as_nobody_in_particular() -> None:
    assert re.search(r"^USER (?!root)\S+$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["tini", "--", "/opt/ichat-gw/bin/ichat-gw"]' in DOCKERFILE
    assert "--require-hashes -r requirements-run.lock" in DOCKERFILE


def test_the_compose_file_builds_that_image_and_gives_it_little() -> None:
    built = COMPOSE["build"]
    context = (DOCKER / built["context"]).resolve()
    assert context == ROOT
    assert (context / built["dockerfile"]).is_file()
    assert COMPOSE["cap_drop"] == ["ALL"]
    assert COMPOSE["read_only"] is True
    assert "no-new-privileges:true" in COMPOSE["security_opt"]
    assert COMPOSE["network_mode"] == "host"
