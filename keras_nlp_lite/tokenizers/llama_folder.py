"""The tokenizers of Llama and Mistral in a Hugging Face folder."""

import os

from keras_nlp_lite.tokenizers.byte_pair_folder import (
    byte_pairs_from_folder,
    byte_pairs_to_folder,
)
from keras_nlp_lite.tokenizers.hugging_face_files import (
    TOKENIZER_JSON,
    read_config,
    read_json,
    token_in,
    write_config,
)
from keras_nlp_lite.tokenizers.llama3_tokenizer import Llama3Tokenizer
from keras_nlp_lite.tokenizers.llama_tokenizer import LlamaTokenizer, MistralTokenizer

_SENTENCE_PIECE = "tokenizer.model"


def llama_from_folder(folder, **kwargs):
    """The tokenizer of a folder with `tokenizer.model`, or a byte-level `tokenizer.json`.

    Args:
        folder: Path of a folder.
        **kwargs: Arguments of the class, in place of what the folder says.

    Returns:
        With `tokenizer.model` a `LlamaTokenizer`, or a `MistralTokenizer` where
        `config.json` says so; otherwise a `Llama3Tokenizer`.

    Raises:
        ValueError: the files are not there, or are of another kind of tokenizer.
    """
    sentence_piece = os.path.join(folder, _SENTENCE_PIECE)
    if os.path.exists(sentence_piece):
        config = os.path.join(folder, "config.json")
        said = read_json(config) if os.path.exists(config) else {}
        mistral = said.get("model_type") == "mistral"
        cls = MistralTokenizer if mistral else LlamaTokenizer
        return cls(sentence_piece, **kwargs)
    path = os.path.join(folder, TOKENIZER_JSON)
    model = read_json(path).get("model") if os.path.exists(path) else None
    if isinstance(model, dict) and model.get("byte_fallback"):
        raise ValueError(
            f"A folder with Llama's SentencePiece must hold {_SENTENCE_PIECE}, since a "
            f"{TOKENIZER_JSON} of it is not read. Received: {os.fspath(folder)!r}, "
            "which holds only the latter. Try to download the former, too."
        )
    config = read_config(folder)
    said = {"bos_token": token_in(config, "bos_token", "<|begin_of_text|>")}
    said["eos_token"] = token_in(config, "eos_token", "<|end_of_text|>")
    return byte_pairs_from_folder(Llama3Tokenizer, folder, {**said, **kwargs})


def llama_to_folder(tokenizer, folder):
    """Writes `tokenizer.model` or, of a `Llama3Tokenizer`, byte pairs; and a config.

    Args:
        tokenizer: What `llama_from_folder` can give.
        folder: Path of the folder, which is made if it is not there.
    """
    if isinstance(tokenizer, Llama3Tokenizer):
        byte_pairs_to_folder(tokenizer, folder, "PreTrainedTokenizerFast")
        return
    os.makedirs(folder, exist_ok=True)
    tokenizer.save_assets(folder)
    os.replace(
        os.path.join(folder, "vocabulary.spm"), os.path.join(folder, _SENTENCE_PIECE)
    )
    config = {"tokenizer_class": "LlamaTokenizer", "legacy": False}
    config["bos_token"], config["eos_token"] = (
        tokenizer.start_token,
        tokenizer.end_token,
    )
    write_config(folder, {**config, "unk_token": tokenizer.unk_token})
