"""Pack the run as an RO-Crate, and check the archive with the validator of the RO-Crate community."""

from metamers.run.job import log_results_to

import datetime
import os
import sys
import tempfile
from pathlib import Path

from metamers import __version__
from metamers.crate import NoContextError, Run, make_crate, run_files, validate_crate
from metamers.run import manifest

SUFFIX = ".crate.zip"

logger = log_results_to(snakemake.log[0])
params, target, folder = snakemake.params, Path(snakemake.params.file), Path(snakemake.params.file.removesuffix(SUFFIX))
files = run_files(folder, params.left_out, params.kept)
times = [datetime.datetime.fromtimestamp((folder.parent / name).stat().st_mtime, datetime.UTC) for name in files]
begun = manifest.read(folder).begun  # of a manifest that was rebuilt, later than the files
run = Run(
    folder=folder,
    files=files,
    configuration=snakemake.config,
    own_files=[Path(path) for path in params.own_files],
    workflow_version=__version__,
    begun=min([*times, *([datetime.datetime.fromtimestamp(begun / 1e9, datetime.UTC)] if begun else [])]),
    ended=max(times),
)
with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as scratch:
    unfinished = Path(scratch) / target.name
    (own := Path(scratch) / "own").mkdir()
    make_crate(run, own).write_zip(unfinished)
    logger.info("%d files of the run in %.1f MB", len(files), unfinished.stat().st_size / 1e6)
    try:
        faults = validate_crate(unfinished)
    except NoContextError as error:
        logger.warning("not validated, because the context of RO-Crate was not available: %s", error)
    else:
        for fault in faults:
            logger.error("%s", fault)
        if faults:
            sys.exit(1)
        logger.info("valid: Workflow Run RO-Crate 0.5")
    os.replace(unfinished, target)
logger.info("%s is ready for a repository such as Zenodo", target)
