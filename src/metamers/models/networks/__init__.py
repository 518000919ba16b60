"""Architectures that no library has, most of them of the study, by their names in the model registry."""

from metamers.models.networks.audio import coch_cnn9, coch_resnet50, spectemp
from metamers.models.networks.vision import (
    alexnet_gn,
    alexnet_gn_ipcl,
    cornet_s,
    hmax,
    lowpass_alexnet,
    small_cnn,
    vone_alexnet,
)

# Name → builder of the untrained network.
NETWORKS = {
    "coch_cnn9": coch_cnn9,
    "coch_resnet50": coch_resnet50,
    "spectemp": spectemp,
    "cornet_s": cornet_s,
    "alexnet_gn": alexnet_gn,
    "alexnet_gn_ipcl": alexnet_gn_ipcl,
    "hmax": hmax,
    "small_cnn": small_cnn,
    "lowpass_alexnet": lowpass_alexnet,
    "vone_alexnet": vone_alexnet,
}
