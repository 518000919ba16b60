"""The study's architectures, all of them: their names."""

from metamers.models import networks


def test_names_are_the_builders_names():
    assert list(networks.NETWORKS) == [
        "coch_cnn9", "coch_resnet50", "spectemp", "cornet_s", "alexnet_gn", "alexnet_gn_ipcl", "hmax", "lowpass_alexnet",
        "vone_alexnet",
    ]  # fmt: skip
    assert all(builder.__name__ == name for name, builder in networks.NETWORKS.items())
