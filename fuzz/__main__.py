"""Runs one target: `python -m fuzz TARGET [libFuzzer options]`."""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ichat_gw.sip", "ichat_gw.addressing", "fuzz.targets"]):
    from fuzz import targets

TARGETS: dict[str, Callable[[bytes], None]] = {
    "sip_message": targets.sip_message,
    "sip_stream": targets.sip_stream,
}


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz {'|'.join(TARGETS)} [libFuzzer options]")
    name = sys.argv.pop(1)
    corpus = Path(".cache") / "fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([*sys.argv, f"-artifact_prefix={corpus}.", str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
