"""Draw the normalized error over the steps of one generation model's syntheses."""

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.report_figures import loss_figure, svg

log_to(snakemake.log[0])
losses: dict[str, list[np.ndarray]] = {}
for path in snakemake.input:
    with xr.open_dataset(path, engine="netcdf4") as batch:  # opened, not loaded: the metamers themselves are large
        losses.setdefault(batch.attrs["stage"], []).append(batch["loss"].values.reshape(-1, batch.sizes["step"]))
figure = loss_figure({stage: np.concatenate(batches) for stage, batches in losses.items()})
files.replace_whole(snakemake.output[0], lambda partial: partial.write_bytes(svg(figure)))
