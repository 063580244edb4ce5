"""Presets: folders that hold a backbone, its tokenizer and what stands on them.

Three kinds are read: folders of Hugging Face (`config.json` with "model_type"),
KerasHub's (`config.json` with "registered_name": "keras_hub>..."), and this package's,
which are laid out like KerasHub's. This package's own are written.

    config.json         the backbone, as Keras serializes it
    model.weights.h5    its weights
    tokenizer.json      the tokenizer; assets/tokenizer/ holds its vocabulary
    preprocessor.json   the preprocessor, without its tokenizer
    task.json           the task's own arguments
    task.safetensors    its weights without the backbone's
"""

import contextlib
import inspect
import os
import warnings

import keras
from safetensors.numpy import save_file

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.backbones import families, keras_hub_preset
from keras_nlp_lite.backbones.checkpoint import Checkpoint, read_json, write_json
from keras_nlp_lite.backbones.convert import Tensor, load
from keras_nlp_lite.backbones.hub import local_folder
from keras_nlp_lite.tokenizers import Tokenizer

_HEAD = "task.safetensors"


def load_backbone(cls, preset, load_weights=True, **kwargs):
    """A backbone out of a preset.

    Args:
        cls: The class that it must be of.
        preset: A folder, or "hf://organisation/name".
        load_weights: Whether to load weights, or only the shape of the model.
        **kwargs: Arguments of the backbone, in place of those of the preset.
    """
    folder = local_folder(preset)
    config = read_json(os.path.join(folder, "config.json"))
    if "registered_name" in config:
        return _keras_backbone(cls, folder, config, load_weights, kwargs)
    family = families.of(config, folder)
    _check_class(family.BACKBONE, cls, folder)
    arguments = _arguments(family, config, folder)
    backbone = family.BACKBONE(**{**arguments, **kwargs})
    if load_weights:
        checkpoint, table = Checkpoint(folder), family.table(backbone)
        missing = load(checkpoint, table, family.IGNORE, family.PREFIX)
        if missing:
            warnings.warn(
                f"{folder!r} has no {', '.join(missing)}: what they are for starts at "
                "random.",
                stacklevel=3,
            )
    return backbone


def load_tokenizer(preset, **kwargs):
    """The tokenizer of a preset.

    Args:
        preset: A folder, or "hf://organisation/name".
        **kwargs: Arguments of the tokenizer, in place of those of the preset.
    """
    folder = local_folder(preset)
    config = read_json(os.path.join(folder, "config.json"))
    if "registered_name" not in config:
        return families.of(config, folder).load_tokenizer(folder, **kwargs)
    config = keras_hub_preset.translated(
        read_json(os.path.join(folder, "tokenizer.json"))
    )
    config["config"] = {**config["config"], **kwargs}
    kind = keras.saving.get_registered_object(config["registered_name"])
    if kind is None or not issubclass(kind, Tokenizer):
        raise ValueError(
            "tokenizer.json must hold a tokenizer that is known here. Received: "
            f"{config['registered_name']!r} in {folder!r}."
        )
    tokenizer = keras.saving.deserialize_keras_object(config)
    tokenizer.load_assets(os.path.join(folder, "assets", "tokenizer"))
    return tokenizer


def load_preprocessor(cls, preset, **kwargs):
    """A preprocessor of a class on the tokenizer of a preset.

    Args:
        cls: The preprocessor's class; its first argument is the tokenizer.
        preset: A folder, or "hf://organisation/name".
        **kwargs: Arguments of the class, in place of those of the preset.
    """
    folder = local_folder(preset)
    path = os.path.join(folder, "preprocessor.json")
    saved = read_json(path)["config"] if os.path.exists(path) else {}
    names = inspect.signature(cls.__init__).parameters
    kept = {k: v for k, v in saved.items() if k in names and k not in _OWN}
    config = read_json(os.path.join(folder, "config.json"))
    if "registered_name" not in config and hasattr(cls, "of_family"):
        path = os.path.join(folder, "generation_config.json")
        more = read_json(path) if os.path.exists(path) else {}
        kept.update(cls.of_family(families.of(config, folder), {**config, **more}))
    most = _most_tokens(folder)
    for name in names:
        if name.endswith("sequence_length") and name not in kept and most is not None:
            kept[name] = min(names[name].default, most)
    kwargs = {**kept, **kwargs}
    return cls(load_tokenizer(folder), **kwargs)


def load_task(cls, preset, load_weights=True, **kwargs):
    """A task of a class on a preset.

    Args:
        cls: The task's class.
        preset: A folder, or "hf://organisation/name".
        load_weights: Whether to load weights, or only the shape of the model.
        **kwargs: Arguments of the class, in place of those of the preset; where they
            change the head's shape, as `num_classes` may, the head is a new one.
    """
    folder = local_folder(preset)
    path = os.path.join(folder, "task.json")
    saved = read_json(path) if os.path.exists(path) else {"registered_name": ""}
    same = saved["registered_name"] == keras.saving.get_registered_name(cls)
    if "backbone" not in kwargs:
        kwargs["backbone"] = load_backbone(keras.Model, folder, load_weights)
    if "preprocessor" not in kwargs:
        kwargs["preprocessor"] = load_preprocessor(cls.preprocessor_cls, folder)
    asked = {k for k, v in kwargs.items() if same and saved["config"].get(k) != v}
    if same:
        kept = dict(saved["config"])
        if asked & cls.shapes_of_head:
            kept.pop("class_names", None)  # which are those of another head
        kwargs = {**kept, **kwargs}
    task = cls(**kwargs)
    config = read_json(os.path.join(folder, "config.json"))
    if load_weights and "registered_name" not in config:
        _load_pretrained_head(task, families.of(config, folder), folder)
    if same and load_weights and not asked & cls.shapes_of_head:
        task.ensure_built()
        _load_head(task, folder)
    return task


def save_backbone(backbone, folder):
    """Writes a backbone into a folder; an interrupted save leaves the old one whole."""
    with _replacing_preset(folder) as temporary:
        _write_backbone(backbone, temporary)


def save_task(task, folder):
    """Writes a task with its backbone, tokenizer and preprocessor into a folder."""
    registered = keras.saving.get_registered_name(type(task.backbone))
    if keras.saving.get_registered_object(registered) is None:
        raise ValueError(
            "A preset holds a backbone of this package, or of a registered class. "
            f"Received: {type(task.backbone).__name__}. Try `save`, into a .keras file."
        )
    with _replacing_preset(folder) as temporary:
        _write_backbone(task.backbone, temporary)
        preprocessor = task.preprocessor
        if preprocessor is not None:
            tokenizer = preprocessor.tokenizer
            write_json(
                os.path.join(temporary, "tokenizer.json"), _serialized(tokenizer)
            )
            assets = os.path.join(temporary, "assets", "tokenizer")
            os.makedirs(assets)
            tokenizer.save_assets(assets)
            config = _serialized(preprocessor)
            config["config"].pop("tokenizer")
            write_json(os.path.join(temporary, "preprocessor.json"), config)
        config = _serialized(task)
        config["config"] = task.settings()
        write_json(os.path.join(temporary, "task.json"), config)
        _save_head(task, os.path.join(temporary, _HEAD))


def export_to_transformers(backbone, folder, tokenizer=None):
    """Writes `config.json` and `model.safetensors` as Hugging Face lays them out.

    Args:
        backbone: A backbone of a family that Hugging Face's `transformers` has, too.
        folder: To write; one that is there is replaced if it is such a one.
        tokenizer: Its vocabulary is written, too.
    """
    family = families.of_backbone(backbone)
    config = {"model_type": family.MODEL_TYPE, **family.config(backbone)}
    tensors = {tensor.name: tensor.array() for tensor in family.table(backbone)}
    with _replacing_preset(folder, _THEIRS) as temporary:
        write_json(os.path.join(temporary, "config.json"), config)
        _write_tensors(tensors, os.path.join(temporary, "model.safetensors"))
        if tokenizer is not None:
            family.save_tokenizer(tokenizer, temporary)


# What `save_task` and `save_backbone` write; a folder with anything else is somebody's.
_OURS = {
    "config.json",
    "model.weights.h5",
    "tokenizer.json",
    "assets",
    "preprocessor.json",
    "task.json",
    _HEAD,
}
# And `export_to_transformers`.
_THEIRS = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "source.spm",
    "target.spm",
}


@contextlib.contextmanager
def _replacing_preset(folder, written=_OURS):
    """A new folder to write to, which then replaces one that held nothing else."""
    folder = os.fspath(folder)
    if os.path.exists(folder):
        held = set(os.listdir(folder)) if os.path.isdir(folder) else {"a file"}
        others = held - written
        if others or (held and "config.json" not in held):
            raise ValueError(
                "A preset replaces the folder that it is written to. Received: "
                f"{folder!r}, which holds {', '.join(sorted(others or held))}. Try a "
                "new folder."
            )
    with replacing(folder) as temporary:
        os.makedirs(temporary)
        yield temporary


def _write_tensors(tensors, path):
    save_file(tensors, path, metadata={"format": "pt"})
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)  # who may read the other files may read this


def _write_backbone(backbone, folder):
    write_json(os.path.join(folder, "config.json"), _serialized(backbone))
    backbone.save_weights(os.path.join(folder, "model.weights.h5"))


def _serialized(x):
    """Keras's config of an object, without what only its own saver needs."""
    config = keras.saving.serialize_keras_object(x)
    return {key: value for key, value in config.items() if key != "build_config"}


def _keras_backbone(cls, folder, config, load_weights, kwargs):
    """Out of a folder that Keras serialized, this package's or KerasHub's."""
    theirs = config["registered_name"].startswith("keras_hub>")
    config = keras_hub_preset.translated(config) if theirs else config
    config["config"] = {**config["config"], **kwargs}
    kind = keras.saving.get_registered_object(config["registered_name"])
    if kind is None:
        raise ValueError(
            f"There is no backbone of that name here. Received: "
            f"{config['registered_name']!r} in {folder!r}."
        )
    _check_class(kind, cls, folder)
    backbone = keras.saving.deserialize_keras_object(config)
    if load_weights:
        path = os.path.join(folder, "model.weights.h5")
        if theirs:
            keras_hub_preset.load_weights(backbone, path)
        else:
            _load_weights(backbone, path)
    return backbone


def _load_weights(model, path):
    try:
        model.load_weights(path)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path!r} does not hold the weights: {error}") from error


def _check_class(kind, cls, folder):
    if not issubclass(kind, cls):
        raise ValueError(
            f"The preset holds a {kind.__name__}. Received: {folder!r} for "
            f"{cls.__name__}. Try {kind.__name__}.from_preset, or Backbone.from_preset."
        )


def _head(task):
    """dict of a task's variables by name, all but the backbone's."""
    of_backbone = {id(variable) for variable in task.backbone.variables}
    rest = [v for v in task.weights if id(v) not in of_backbone]
    # By number: paths begin with the name of the model, which may be another.
    return {f"{i}/{variable.name}": variable for i, variable in enumerate(rest)}


def _save_head(task, path):
    arrays = {n: keras.ops.convert_to_numpy(v) for n, v in _head(task).items()}
    _write_tensors(arrays, path)


def _load_pretrained_head(task, family, folder):
    """Gives a task the head that a Hugging Face folder has for it, if it has one."""
    table = task.pretrained_head(family)
    if not table:
        return
    checkpoint = Checkpoint(folder)
    if any(tensor.name in checkpoint.shapes for tensor in table):
        load(checkpoint, table, ignore=("",))  # the rest is the backbone's
    else:
        warnings.warn(
            f"{folder!r} has no head for {type(task).__name__}: it starts at random.",
            stacklevel=4,
        )


def _load_head(task, folder):
    table = [Tensor(name, variable) for name, variable in _head(task).items()]
    load(Checkpoint(folder, _HEAD), table)


# Of a saved preprocessor, what another kind's does not take over.
_OWN = ("self", "tokenizer", "name", "dtype", "trainable", "labels", "seed")


def _most_tokens(folder):
    """int, how many positions the folder's backbone has; None if it does not say."""
    config = read_json(os.path.join(folder, "config.json"))
    if "registered_name" in config:
        return config["config"].get("max_sequence_length")
    return _arguments(families.of(config, folder), config, folder)[
        "max_sequence_length"
    ]


def _arguments(family, config, folder):
    """A backbone's arguments from `config.json`, whose gaps are named."""
    try:
        return family.arguments(config)
    except KeyError as error:
        raise ValueError(
            f"config.json must say {error}. Received: {folder!r}, where it does not."
        ) from None
