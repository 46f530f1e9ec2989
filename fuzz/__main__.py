"""Runs one target: `python -m fuzz TARGET [libFuzzer options]`."""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ichat_gw", "fuzz"]):
    from fuzz import jabber, local, media, sip

TARGETS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "sip_message": (sip.sip_message, sip.SEEDS),
    "sip_stream": (sip.sip_stream, sip.SEEDS),
    "sdp": (media.sdp, media.SDP_SEEDS),
    "rtp": (media.rtp, media.RTP_SEEDS),
    "ng": (media.ng, media.NG_SEEDS),
    "stanzas": (jabber.stanzas, jabber.STREAM_SEEDS),
    "blob": (jabber.blob, jabber.BLOB_SEEDS),
    "ipc": (local.ipc, local.IPC_SEEDS),
    "configuration": (local.configuration, local.CONFIG_SEEDS),
}


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz {'|'.join(TARGETS)} [libFuzzer options]")
    name = sys.argv.pop(1)
    run, seeds = TARGETS[name]
    corpus = Path(".cache") / "fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([*sys.argv, f"-artifact_prefix={corpus}.", str(corpus)], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
