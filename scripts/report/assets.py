"""Copy the style sheets and scripts of the report's pages, and write the library that draws the charts."""

from metamers.run.job import log_to

from pathlib import Path

import vl_convert

from metamers.report.render import SITE
from metamers.run import files

log_to(snakemake.log[0])
folder = Path(snakemake.output[0])
for path in [*SITE.glob("*.js"), *SITE.glob("*.css")]:
    files.write(folder / path.name, path.read_bytes())
files.write(folder / "vega.js", vl_convert.javascript_bundle())
