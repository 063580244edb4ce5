"""Word vectors, in files that TensorBoard's embedding projector opens."""

import os

import keras

from keras_nlp_lite.atomic import replacing

_CONFIG = "projector_config.pbtxt"  # where the projector looks in a run's folder
_FOLDER = "projector"
# The browser computes on all of them: more make it wait for minutes.
MOST_TOKENS = 10_000
_MOST_NUMBERS = 2_000_000

_NOT_TOKENS = ("position", "segment")  # tables of other things than tokens


def token_embeddings(model):
    """The tables of a model that hold a vector for each token of its vocabulary.

    Args:
        model: keras.Model with a `preprocessor` that has `get_vocabulary`, or a
            `tokenizer` that has.

    Returns:
        (list of str, the vocabulary; dict of `keras.layers.Embedding` by path).

    Raises:
        ValueError: The model has no vocabulary, or no embedding for it.
    """
    vocabulary = vocabulary_of(model)
    tables = {}
    for layer in model._flatten_layers():
        if (
            isinstance(layer, keras.layers.Embedding)
            and layer.built
            and vocabulary
            and layer.input_dim >= len(vocabulary)
            and not layer.name.startswith(_NOT_TOKENS)
        ):
            tables[(layer.path or layer.name).removeprefix(f"{model.name}/")] = layer
    if not tables:
        raise ValueError(
            "The projector shows a vector for each token: the model must have a "
            "preprocessor with a vocabulary, and an Embedding for it. Received: "
            f"{type(model).__name__} with "
            f"{f'{len(vocabulary):,} tokens' if vocabulary else 'no vocabulary'} and no "
            "such Embedding. Try projector=False."
        )
    return vocabulary, tables


def vocabulary_of(model):
    """list of str, the tokens that a model's preprocessor numbers; None if it tells
    none."""
    preprocessor = getattr(model, "preprocessor", None)
    for owner in (getattr(preprocessor, "tokenizer", None), preprocessor):
        if hasattr(owner, "get_vocabulary"):
            return [str(token) for token in owner.get_vocabulary()]
    return None


def write_projector(folder, vocabulary, tables, most_tokens=MOST_TOKENS):
    """Writes vectors and tokens where TensorBoard's projector finds them.

    There is no checkpoint: the vectors themselves are written, as text, which is the
    one format that the projector reads whatever the numbers are.

    Args:
        folder: A run's folder, one that holds event files.
        vocabulary: N str.
        tables: dict of float [at least N, D], or layers with such `embeddings`, by
            name.
        most_tokens: The first so many of the vocabulary are written, and fewer where
            vectors are long: two million numbers.

    Example:

    >>> import pathlib, tempfile
    >>> run = pathlib.Path(tempfile.mkdtemp())
    >>> write_projector(run, ["good", "bad"], {"words": keras.ops.eye(2)})
    >>> print((run / "projector" / "words.tsv").read_text())
    1   0
    0   1
    >>> print((run / "projector" / "words.labels.tsv").read_text())
    good
    bad
    """
    from tensorboard.plugins.projector import ProjectorConfig

    config = ProjectorConfig()
    for name, table in tables.items():
        table = getattr(table, "embeddings", table)
        D = table.shape[-1]
        N = min(len(vocabulary), most_tokens, max(_MOST_NUMBERS // D, 1))
        vectors = keras.ops.convert_to_numpy(table[:N]).astype("float32")
        file = f"{_FOLDER}/{name.replace('/', '.')}"
        rows = ("\t".join(f"{x:.5g}" for x in row) for row in vectors.tolist())
        _write(os.path.join(folder, f"{file}.tsv"), rows)
        labels = (_label(token) for token in vocabulary[:N])
        _write(os.path.join(folder, f"{file}.labels.tsv"), labels)
        config.embeddings.add(
            tensor_name=name,
            tensor_path=f"{file}.tsv",
            metadata_path=f"{file}.labels.tsv",
            tensor_shape=vectors.shape,
        )
    # A protobuf message prints itself as text.
    _write(os.path.join(folder, _CONFIG), [str(config)])


def _label(token):
    """A token on one line and in one column; what nobody would see is spelled out."""
    shown = "".join(
        c if c.isprintable() and c != "\t" else repr(c)[1:-1] for c in token
    )
    return shown if shown.strip() else repr(token)


def _write(path, lines):
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as file,
    ):
        file.write("\n".join(lines))
