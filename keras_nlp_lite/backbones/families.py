"""The families of models that are known, by the names that folders give them.

A family is a file, `convert_<family>.py`, which has

    MODEL_TYPE, BACKBONE         "model_type" in `config.json`, and the class here
    PREFIX, IGNORE               what names may begin with; beginnings of names not needed
    arguments(config)            of the class, from `config.json`; config(backbone), back
    table(backbone)              list of `convert.Tensor`: names there, variables here
    masked_lm_table(head)        the same of the head that guesses hidden tokens
    generation(config)           dict of the ids that begin and end what is written
    load_tokenizer(folder)       and save_tokenizer(tokenizer, folder)
"""

import importlib

# "model_type" in a Hugging Face `config.json`, and the file that reads the folder.
_CONVERTERS = {
    "bert": "convert_bert",
    "distilbert": "convert_distil_bert",
    "roberta": "convert_roberta",
    "modernbert": "convert_modern_bert",
    "gpt2": "convert_gpt2",
    "llama": "convert_llama",
    "mistral": "convert_llama",
    "qwen2": "convert_llama",
    "bart": "convert_bart",
    "marian": "convert_marian",
}


def of(config, folder):
    """The converter of a Hugging Face folder.

    Args:
        config: What its `config.json` holds.
        folder: For the refusal.

    Raises:
        ValueError: the family is not known.
    """
    name = config.get("model_type")
    if name not in _CONVERTERS:
        raise ValueError(
            f"`model_type` must be one of {', '.join(_CONVERTERS)}. Received: "
            f"model_type={name!r} in {folder!r}."
        )
    return _converter(name)


def of_backbone(backbone):
    """The converter of a backbone's family.

    Raises:
        ValueError: Hugging Face's library has no such family.
    """
    for name in _CONVERTERS:
        if type(backbone) is _converter(name).BACKBONE:
            return _converter(name)
    raise ValueError(
        f"Only backbones of {', '.join(_CONVERTERS)} can be written for `transformers`. "
        f"Received: {type(backbone).__name__}."
    )


def _converter(name):
    return importlib.import_module(f"keras_nlp_lite.backbones.{_CONVERTERS[name]}")
