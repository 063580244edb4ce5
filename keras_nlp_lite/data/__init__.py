"""Datasets out of files: labelled folders, tables, JSON lines, lines, pairs, CoNLL."""

from keras_nlp_lite.data.conll import read_conll
from keras_nlp_lite.data.directory import read_directory
from keras_nlp_lite.data.jsonl import read_jsonl
from keras_nlp_lite.data.lines import read_lines
from keras_nlp_lite.data.parallel import read_parallel
from keras_nlp_lite.data.sample_reviews import write_sample_reviews
from keras_nlp_lite.data.tables import read_csv

__all__ = [
    "read_conll",
    "read_csv",
    "read_directory",
    "read_jsonl",
    "read_lines",
    "read_parallel",
    "write_sample_reviews",
]
