"""Front ends of networks of sounds, by the names that ``input.preprocessing`` may have: settings and fitting sounds.

``metamers.models.front_ends`` computes them.
"""

import math
from collections.abc import Mapping
from typing import Any

from metamers.names import ConfigurationError

# Front end → its settings with their defaults, those of the publishers' own extractors.
FRONT_END_DEFAULTS: dict[str, dict[str, float]] = {
    "normalized_waveform": {},
    "whisper_log_mel": {"mels": 80, "window": 400, "hop": 160, "padded_s": 30},
    "ast_log_mel": {"mels": 128, "frames": 1024, "mean": -4.2677393, "std": 4.5689974},
}
# Standard deviation of the noise that synthesis starts from. At that of other sounds, 1e-7, the energy is below the
# floor of these logarithms, where the gradient is 0.
START_DEVIATIONS = {"whisper_log_mel": 1e-3, "ast_log_mel": 1e-3}
WHISPER_HIGHEST_HZ = 8000  # of the filters, at any sampling rate
KALDI_WINDOW_S, KALDI_HOP_S = 0.025, 0.01


def front_end_name(preprocessing: str | Mapping[str, Any]) -> str | None:
    """The name of a front end in ``input.preprocessing``; None for another preprocessing."""
    name = preprocessing if isinstance(preprocessing, str) else preprocessing.get("name")
    return name if name in FRONT_END_DEFAULTS else None


def front_end_settings(
    preprocessing: str | Mapping[str, Any], sampling_rate_hz: float, duration_s: float
) -> dict[str, Any]:
    """The settings of a front end, checked for sounds of a rate and duration.

    Parameters
    ----------
    preprocessing
        The front end's name, or ``name`` and ``arguments``.
    sampling_rate_hz, duration_s
        Of the model's sounds.

    Returns
    -------
    dict
        All settings; a setting that is not given has its default.

    Raises
    ------
    ConfigurationError
        When the front end cannot take such sounds; the message begins with the key below ``input``.
    """
    chosen: Mapping[str, Any] = {"name": preprocessing} if isinstance(preprocessing, str) else preprocessing
    name = chosen["name"]
    settings = FRONT_END_DEFAULTS[name] | chosen.get("arguments", {})
    samples = round(sampling_rate_hz * duration_s)
    if name == "whisper_log_mel":
        if sampling_rate_hz < 2 * WHISPER_HIGHEST_HZ:
            raise ConfigurationError(
                f"sampling_rate_hz: {sampling_rate_hz}, but the filters of {name} reach {WHISPER_HIGHEST_HZ} Hz; "
                f"wanted at least {2 * WHISPER_HIGHEST_HZ}"
            )
        longest = round(settings["padded_s"] * sampling_rate_hz)
        if longest < settings["hop"]:
            raise ConfigurationError(
                f"preprocessing.arguments.hop: {settings['hop']} samples, but padded_s, {settings['padded_s']} s, are "
                f"{longest}; wanted {longest} at most"
            )
        if longest <= settings["window"] // 2:
            raise ConfigurationError(
                f"preprocessing.arguments.padded_s: {settings['padded_s']} s are {longest} samples; wanted more than "
                f"half a window of {settings['window']}"
            )
        shortest = 1
    elif name == "ast_log_mel":
        shortest, hop = int(sampling_rate_hz * KALDI_WINDOW_S), int(sampling_rate_hz * KALDI_HOP_S)
        longest = shortest + settings["frames"] * hop - 1
    else:
        shortest, longest = 2, math.inf
    if not shortest <= samples <= longest:
        raise ConfigurationError(
            f"duration_s: {duration_s} s are {samples} samples, but {name} takes {shortest} to {longest} of them at "
            f"{sampling_rate_hz} Hz"
        )
    return settings
