"""The lock must hold all that pyproject.toml asks for, with hashes, and name no place to get it from."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[^\w.-]", line)[0].lower() for line in wanted}
    locked = {found.lower() for found in re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE)}
    assert names - locked == set(), "run `make lock`"


def test_every_package_has_a_hash() -> None:
    for package in re.split(r"\n(?=\S)", LOCK.strip()):
        assert "--hash=sha256:" in package, package


def test_no_index_is_named() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*--(?!hash)", LOCK, re.MULTILINE)
