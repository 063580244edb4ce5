"""Presets that KerasHub wrote."""

import re

import h5py

# A block's layers here, and their paths in KerasHub's weight files.
_BLOCK = {
    "attention.query_dense": "_self_attention_layer/query_dense",
    "attention.key_dense": "_self_attention_layer/key_dense",
    "attention.value_dense": "_self_attention_layer/value_dense",
    "attention.output_dense": "_self_attention_layer/output_dense",
    "attention_norm": "_self_attention_layer_norm",
    "feedforward_norm": "_feedforward_layer_norm",
    "widen": "_feedforward_intermediate_dense",
    "narrow": "_feedforward_output_dense",
}
_TOKEN_AND_POSITION = {
    "token_embedding": "token_embedding",
    "position_embedding": "position_embedding",
}
_GATED_BLOCK = {
    "attention.query_dense": "_self_attention_layer/_query_dense",
    "attention.key_dense": "_self_attention_layer/_key_dense",
    "attention.value_dense": "_self_attention_layer/_value_dense",
    "attention.output_dense": "_self_attention_layer/_output_dense",
    "attention_norm": "_self_attention_layernorm",
    "feedforward_norm": "_feedforward_layernorm",
    "gate": "_feedforward_gate_dense",
    "widen": "_feedforward_intermediate_dense",
    "narrow": "_feedforward_output_dense",
}
_PARTS = {
    "transformer_encoder": _BLOCK,
    "transformer_decoder": _BLOCK,
    "gated_decoder": _GATED_BLOCK,
    "token_and_position_embedding": _TOKEN_AND_POSITION,
}
# What one class here is called in the weight files of several families there.
_CALLED = {
    "gated_decoder": [
        f"{family}_transformer_decoder" for family in ("llama", "mistral", "qwen")
    ],
    "r_m_s_normalization": [
        "llama_layer_norm",
        "mistral_layer_normalization",
        "qwen_layer_norm",
    ],
}


def translated(config):
    """A config of KerasHub's, as one of this package's.

    Args:
        config: What a preset's JSON file holds; one of this package's stays as it is.
    """
    name = config["registered_name"].removeprefix("keras_hub>")
    if name == config["registered_name"]:
        return config
    settings = {k: v for k, v in config["config"].items() if k != "config_file"}
    if name in _RELATIVES:
        name, settings = "LlamaBackbone", _RELATIVES[name](settings)
    return {
        "module": None,
        "class_name": name,
        "config": settings,
        "registered_name": f"keras_nlp_lite>{name}",
    }


def _mistral(settings):
    factor = settings.pop("rope_scaling_factor", 1.0)
    return {**settings, "rope_position_scaling_factor": factor}


def _qwen(settings):
    window = settings.pop("sliding_window_size", None)
    slides = settings.pop("use_sliding_window_attention", False)
    window = window if slides else None
    return {**_mistral(settings), "use_qkv_bias": True, "sliding_window": window}


# Of Llama's relatives there: their settings, as Llama's here.
_RELATIVES = {
    "Llama3Backbone": dict,
    "MistralBackbone": _mistral,
    "QwenBackbone": _qwen,
}


def load_weights(backbone, path):
    """Gives a backbone what KerasHub's `model.weights.h5` holds.

    Raises:
        ValueError: the file is cut off, or a weight is missing or has another shape.
            Nothing is changed then.
    """
    try:
        with h5py.File(path, "r") as file:
            weights = _found(backbone, file, path)
            for variable, dataset in weights:
                variable.assign(dataset[()])
    except OSError as error:
        raise ValueError(f"{path!r} is no whole weights file: {error}.") from error


def _found(backbone, file, path):
    """list of (variable, dataset)"""
    found, counts, known = [], {}, set()
    for layer in backbone.layers:
        if not layer.weights:
            continue
        kind = _snake_case(type(layer).__name__)
        called = [x for x in _CALLED.get(kind, ()) if f"layers/{x}" in file] or [kind]
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        group = f"layers/{called[0]}_{number}" if number else f"layers/{called[0]}"
        for part, place in _PARTS.get(kind, {"": ""}).items():
            inner = layer
            for name in filter(None, part.split(".")):
                inner = getattr(inner, name)
            for i, variable in enumerate(inner.weights):
                name = "/".join(filter(None, [group, place, "vars", str(i)]))
                if name not in file or file[name].shape != tuple(variable.shape):
                    came = list(file[name].shape) if name in file else "none"
                    raise ValueError(
                        f"{path!r} must hold {name!r} of shape {list(variable.shape)}. "
                        f"Received: {came}."
                    )
                found.append((variable, file[name]))
                known.add(name)
    _refuse_more(file, known, path)
    return found


def _snake_case(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _refuse_more(file, known, path):
    names = []
    file.visititems(
        lambda name, item: names.append(name) if hasattr(item, "shape") else None
    )
    more = [
        name
        for name in names
        if name.startswith("layers/")
        and name not in known
        and "seed_generator" not in name
    ]
    if more:
        raise ValueError(f"{path!r} holds a weight that is not known: {more[0]!r}.")
