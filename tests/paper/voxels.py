"""Files of the predicted responses of voxels, like the public ones, small."""

import io
import pickle

import numpy as np


def voxels(values, subject, masks, layer=b"one", **changes):
    """Bytes of a pickle like the public ones."""
    meta = np.zeros(len(subject), dtype=[("subj_idx", "<i8")])
    meta["subj_idx"] = subject
    content = {
        "r2s": np.asarray(values, float),
        "layer_name": np.bytes_(layer),
        "voxel_meta": meta,
        "roi_masks": {"masks": np.asarray(masks, float), "mask_names": ["pitch"]},
    }
    stream = io.BytesIO()
    pickle.dump({key: value for key, value in (content | changes).items() if value is not None}, stream)
    return stream.getvalue()


def write_voxels(folder, model, layer, *given, **changes):
    path = folder / f"{model}_b'{layer}'.pckl"
    path.write_bytes(voxels(*given, layer=layer.encode(), **changes))
    return path
