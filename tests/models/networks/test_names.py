"""Architectures that no library has, all of the study's among them: their names."""

from metamers.models import networks


def test_names_are_the_builders_names():
    assert list(networks.NETWORKS) == [
        "coch_cnn9", "coch_resnet50", "spectemp", "cornet_s", "alexnet_gn", "alexnet_gn_ipcl", "hmax", "small_cnn", "lowpass_alexnet",
        "vone_alexnet",
    ]  # fmt: skip
    assert all(builder.__name__ == name for name, builder in networks.NETWORKS.items())
