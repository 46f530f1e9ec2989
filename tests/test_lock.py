"""The locks must hold all that pyproject.toml asks for, with hashes, and name no place to get it from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {name: (ROOT / name).read_text() for name in ("requirements.lock", "requirements-run.lock")}
EXTRA = {"requirements.lock": "dev", "requirements-run.lock": "build"}

each_lock = pytest.mark.parametrize("lock", LOCKS)


def locked(lock: str) -> dict[str, str]:
    """The versions by name."""
    found = re.findall(r"^([\w.-]+)==(\S+)", LOCKS[lock], re.MULTILINE)
    return {name.lower(): version for name, version in found}


@each_lock
def test_every_dependency_is_locked(lock: str) -> None:
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][EXTRA[lock]]]
    names = {re.split(r"[^\w.-]", line)[0].lower() for line in wanted}
    assert names - set(locked(lock)) == set(), "run `make lock`"


def test_operators_run_what_was_tested() -> None:
    assert locked("requirements-run.lock").items() <= locked("requirements.lock").items(), "run `make lock`"


@each_lock
def test_every_package_has_a_hash(lock: str) -> None:
    for package in re.split(r"\n(?=\S)", LOCKS[lock].strip()):
        assert "--hash=sha256:" in package, package


@each_lock
def test_no_index_is_named(lock: str) -> None:
    assert "://" not in LOCKS[lock]
    assert not re.search(r"^\s*--(?!hash)", LOCKS[lock], re.MULTILINE)
