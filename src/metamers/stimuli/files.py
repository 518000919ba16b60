"""Files of natural stimuli."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "speaker": ("speaker", NO_UNIT),
    "split": ("train, validation or test", NO_UNIT),
    "channel": ("colour channel", NO_UNIT),
    "pitch": "pitch, on espeak-ng's scale of 0 to 99",
    "rate_wpm": ("rate of speech, words per minute", "min-1"),
}

STIMULI = RunFile(
    "stimuli/<dataset>.nc",
    coordinates="stimulus, channel?",
    variables={
        "stimulus, signal": "stimulus_value",
        "stimulus": "category, label, speaker, split, pitch?, rate_wpm?, snr_db?",
    },
    meanings=MEANINGS,
)
