"""Hands Snakemake and its jobs to the process that forks (``tests.workflow.forked``), which has imported their packages.

A call of Snakemake by an executor, for a job of the rule ``METAMERS_NOT_FORKED``, is not handed over, nor what it starts.
"""

import os
import sys

called = sys.orig_argv[1:]
if os.environ.get("METAMERS_NOT_FORKED") in called:
    os.environ.pop("METAMERS_FORKS", None)
if (socket_path := os.environ.get("METAMERS_FORKS")) and (
    called[:2] == ["-m", "snakemake"] or "/.snakemake/scripts/" in f"/{called[-1]}"
):
    sys.path.append(os.path.dirname(os.path.dirname(__file__)))
    from forked import request  # type: ignore[import-not-found]

    os._exit(request(socket_path, called))

if called[:1] == ["-c"] and "METAMERS_FIRST" in os.environ:  # a process that a job starts
    import runpy

    runpy.run_path(os.environ["METAMERS_FIRST"])
