"""Hands a job of Snakemake to the process that forks (``tests.workflow.forked``), which has imported its packages."""

import os
import sys

if (socket_path := os.environ.get("METAMERS_FORKS")) and "/.snakemake/scripts/" in f"/{sys.orig_argv[-1]}":
    sys.path.append(os.path.dirname(os.path.dirname(__file__)))
    from forked import request  # type: ignore[import-not-found]

    os._exit(request(socket_path, [sys.orig_argv[-1]]))
