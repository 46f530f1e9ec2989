"""`python -m ichat_gw.media.net.worker_start`: a relay worker, with the compiled loop where that is built."""

import os
import sys

from ichat_gw.confinement import MIB, confine
from ichat_gw.media.net.compiled_worker import CompiledWorker, is_built
from ichat_gw.media.net.worker import Worker, main

MEMORY = 1024 * MIB
"""Bytes of address space; some 50,000 calls would fit."""

if __name__ == "__main__":
    confine(memory=MEMORY)
    # For measuring and for tests: the plain loop although there is the other.
    plain = os.environ.get("ICHAT_GW_RELAY_LOOP") == "python"
    sys.exit(main(CompiledWorker if is_built() and not plain else Worker))
