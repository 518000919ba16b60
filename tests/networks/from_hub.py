"""Small networks of transformers, as a publisher saves them, and their repositories on a simulated hub."""

import torch

TRANSFORMER = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
WAVES = TRANSFORMER | {
    **{"conv_dim": [16, 16, 16], "conv_stride": [5, 2, 2], "conv_kernel": [10, 3, 3]},
    **{"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4, "num_feat_extract_layers": 3},
}
PATCHES = {"image_size": 32, "patch_size": 16}
DECODER = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 48}

SETTINGS = {
    "dinov2": {
        **{"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "mlp_ratio": 2},
        **{"image_size": 28, "patch_size": 14},
    },
    "vit": TRANSFORMER | PATCHES | {"architectures": ["ViTForImageClassification"], "num_labels": 4},
    "vit_mae": TRANSFORMER
    | PATCHES
    | {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2}
    | {"decoder_intermediate_size": 16},
    "clip": {
        "vision_config": TRANSFORMER | PATCHES,
        "text_config": TRANSFORMER | {"vocab_size": 20, "max_position_embeddings": 8},
    },
    "convnext": {
        **{"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 3, 1], "image_size": 32},
        **{"architectures": ["ConvNextForImageClassification"], "num_labels": 4},
    },
    "whisper": {
        **{"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 48, **DECODER},
        **{"num_mel_bins": 16, "max_source_positions": 50, "vocab_size": 20, "pad_token_id": 0, "bos_token_id": 1},
        **{"eos_token_id": 2, "decoder_start_token_id": 1},
    },
    "audio-spectrogram-transformer": TRANSFORMER
    | {"max_length": 64, "num_mel_bins": 32, "architectures": ["ASTForAudioClassification"], "num_labels": 4},
    "wav2vec2": WAVES,
    "hubert": WAVES,
    "wavlm": WAVES | {"architectures": ["WavLMForSequenceClassification"], "num_labels": 4, "num_buckets": 8},
}
CLASSIFIER = {kind for kind, settings in SETTINGS.items() if "architectures" in settings}
NAMES = {  # network → the class that its publisher saves
    "dinov2": "Dinov2Model",
    "vit": "ViTForImageClassification",
    "vit_mae": "ViTMAEForPreTraining",
    "clip": "CLIPModel",
    "convnext": "ConvNextForImageClassification",
    "whisper": "WhisperForConditionalGeneration",
    "audio-spectrogram-transformer": "ASTForAudioClassification",
    "wav2vec2": "Wav2Vec2ForPreTraining",
    "hubert": "HubertModel",
    "wavlm": "WavLMForSequenceClassification",
}


def extractor_of(kind):
    """The publisher's extractor for a small network."""
    import transformers

    settings = SETTINGS[kind]
    if kind == "whisper":
        return transformers.WhisperFeatureExtractor(feature_size=settings["num_mel_bins"], chunk_length=1)
    if kind == "audio-spectrogram-transformer":
        return transformers.ASTFeatureExtractor(
            num_mel_bins=settings["num_mel_bins"], max_length=64, mean=-5.0, std=4.0
        )
    if kind in ("wav2vec2", "hubert", "wavlm"):
        return transformers.Wav2Vec2FeatureExtractor(do_normalize=kind != "hubert")
    return transformers.CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})


def saved(kind, folder):
    """Save a small network with its extractor, as its publisher does; the folder."""
    import transformers

    torch.manual_seed(1)
    made = transformers.CONFIG_MAPPING[kind].from_dict({"model_type": kind, **SETTINGS[kind]})
    network = getattr(transformers, NAMES[kind])(made)
    for parameter in network.parameters():  # larger than the library's own, so that differences show
        parameter.data += 0.05 * torch.randn(parameter.shape)
    network.save_pretrained(folder)
    extractor_of(kind).save_pretrained(folder)
    return folder


def committed(server, folder, repository="lab/net", **changed):
    """Commit the files of a folder to a repository of the simulated hub; values of ``changed`` replace or remove them."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, content in changed.items():
        files[name.replace("__", ".")] = content
    return server.commit(repository, {name: content for name, content in files.items() if content is not None})
