"""The wheel and the source distribution: built without a network, installed in a clean environment, run.

The dependencies are those of the running Python, lent to the clean environment by a `.pth` file, so that
nothing is fetched; `pip` itself is the running one, told to install elsewhere (`--python`).
"""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from ichat_gw import __version__

ROOT = Path(__file__).parents[2]
BUILT_FROM = (
    "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md",
    "mkdocs.yml", "ichat-gw.config.example", "src", "docs", "contrib", "man",
)  # fmt: skip
NOT_COMMITTED = shutil.ignore_patterns("*.egg-info", "__pycache__", "*.so")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command; what it printed. Fails with that when it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=os.environ | environment, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the packages are built from: building writes into the source tree."""
    copy = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=NOT_COMMITTED)
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    out = tmp_path_factory.mktemp("sdist")
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(out)!r})"
    run(sys.executable, "-c", code, cwd=source)
    (archive,) = out.glob("*.tar.gz")
    return archive


def built_wheel(source: Path, out: Path, **environment: str) -> Path:
    """The wheel of a source tree or source distribution."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(
        *pip,
        "wheel",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        out,
        source,
        cwd=out,
        **environment,
    )
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution."""
    return built_wheel(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the executables of a clean environment in which the wheel is installed."""
    directory = tmp_path_factory.mktemp("clean")
    venv.create(directory, with_pip=False)
    python = directory / "bin" / "python"
    (site,) = (directory / "lib").glob("python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-index", "--no-deps", wheel, cwd=directory)
    lent = [path for path in sys.path if path.endswith("site-packages")]
    (site / "lent.pth").write_text("\n".join(lent) + "\n")
    return directory / "bin"


def test_the_source_distribution_has_what_users_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "setup.py", "LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "ichat-gw.config.example",
        "src/ichat_gw/media/net/_fastloop.c", "src/ichat_gw/py.typed", "docs/tutorial.md",
        "contrib/systemd/ichat-gw.service",
    ):  # fmt: skip
        assert name in names


def test_the_wheel_has_the_package_alone_and_all_of_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    source = ROOT / "src"
    of_ours = {
        str(path.relative_to(source))
        for path in (source / "ichat_gw").rglob("*")
        if path.is_file() and path.suffix not in (".c", ".so", ".pyc")
    }
    assert of_ours <= set(names), "see package-data in pyproject.toml"
    ours = f"ichat_gw-{__version__}"
    # In `.data` are the manual pages.
    assert {name.split("/")[0] for name in names} == {"ichat_gw", f"{ours}.dist-info", f"{ours}.data"}


def test_without_a_compiler_there_is_a_wheel_all_the_same(source: Path, tmp_path: Path) -> None:
    names = zipfile.ZipFile(built_wheel(source, tmp_path, CC="false")).namelist()
    assert "ichat_gw/media/net/worker.py" in names
    assert not [name for name in names if "_fastloop.c" in name and name.endswith(".so")]


def test_both_executables_run(installed: Path, tmp_path: Path) -> None:
    assert "--config" in run(installed / "ichat-gw", "--help", cwd=tmp_path)
    connector = subprocess.run(
        [installed / "ichat-gw-jc"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert connector.returncode == 2
    assert "started by ichat-gw" in connector.stderr


def test_the_manual_pages_are_where_man_and_pipx_look(installed: Path) -> None:
    pages = sorted(path.name for path in (installed.parent / "share" / "man").rglob("*.[15]"))
    assert pages == sorted(path.name for path in (ROOT / "man").iterdir())


def test_it_runs_what_was_installed_and_not_this_clone(installed: Path, tmp_path: Path) -> None:
    code = "import ichat_gw, sys; print(ichat_gw.__file__)"
    where = run(installed / "python", "-I", "-c", code, cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent)


def test_the_relay_worker_of_the_installed_package_relays(installed: Path, tmp_path: Path) -> None:
    # Its first word is `Started`; it ends with its standard input.
    worker = ("-P", "-m", "ichat_gw.media.net.worker_start")
    said = subprocess.run(
        [installed / "python", *worker],
        cwd=tmp_path,
        input=b"",
        capture_output=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert b"Started" in said.stdout
