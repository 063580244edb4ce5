"""How many of the named entities were found, whole and by the right name."""

import re

_PREFIXED = re.compile(r"O|[BIES]-.+")


def entity_f1(labels, answers):
    """F1 over entities: the harmonic mean of precision and recall.

    Args:
        labels: list of lists of str, such as [["B-PER", "I-PER", "O"]].
        answers: The same, of a model.

    Returns:
        float, from 0 to 1; 0 where there is no entity.

    Raises:
        ImportError: `seqeval` is not installed.
        ValueError: labels of another kind.

    Example:

    >>> entity_f1([["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]])
    0.0

    Reference: Nakayama, "seqeval", github.com/chakki-works/seqeval; it counts as
    CoNLL-2003's `conlleval` does.
    """
    odd = {x for row in labels for x in row if not _PREFIXED.fullmatch(x)}
    if odd:
        raise ValueError(
            "Entities need labels such as 'B-PER', 'I-PER' and 'O'. Received: "
            f"{', '.join(map(repr, sorted(odd)[:5]))}."
        )
    try:
        from seqeval.metrics import f1_score
    except ImportError as error:
        raise ImportError(
            "Counting entities needs `seqeval`, which is not installed. Try "
            "`pip install keras-nlp-lite[tagging]`."
        ) from error
    return float(f1_score(labels, answers, zero_division=0))
