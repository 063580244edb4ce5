"""The texts that a model gets wrong, as a table to read."""

import numpy as np

_TEXT_LENGTH = 300  # characters: enough to see what it is about

# Each character that could mean something in Markdown or HTML, as an entity: a review
# is shown as it was written, whatever it contains.
_ENTITIES = {ord(sign): f"&#{ord(sign)};" for sign in r"&<>|`*_[]\#~$!{}"}


def misclassified_table(texts, labels, probabilities, class_names, rows=10):
    """Shows the examples that are wrong, the most confident mistakes first.

    Args:
        texts: N str or bytes. Shown up to 300 characters, with white space as one
            space, and "�" for what is not UTF-8.
        labels: int [N], the true class of each; or [N, C] of 0 and 1, whether each
            class applies. Then an example is wrong if any of its classes is, with
            the threshold at 0.5, and its worst class is what it is ordered by.
        probabilities: float [N, C].
        class_names: C strings.
        rows: The most to show.

    Returns:
        str, Markdown: a sentence, and a table if anything is wrong.

    Example:

    >>> texts, labels = ["so <b>good</b>", "dull"], [1, 0]
    >>> probabilities = [[0.75, 0.25], [0.9, 0.1]]
    >>> print(misclassified_table(texts, labels, probabilities, ["bad", "good"]))
    1 of 2 validation examples is misclassified.
    <BLANKLINE>
    | text | true class | predicted class | probability |
    | --- | --- | --- | --- |
    | so &#60;b&#62;good&#60;/b&#62; | good | bad | 0.750 |
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    names = np.array([markdown_escape(name) for name in class_names], object)
    judge = _judge_classes if labels.ndim == 1 else _judge_label_sets
    wrong, confidence, describe = judge(labels, probabilities, names)

    mistakes = np.flatnonzero(wrong)
    count = f"{len(mistakes):,} of {len(labels):,} validation examples"
    lines = [f"{count} {'is' if len(mistakes) == 1 else 'are'} misclassified."]
    if len(mistakes):
        lines += ["", "| text | true class | predicted class | probability |"]
        lines += ["| --- | --- | --- | --- |"]
    worst_first = mistakes[np.argsort(-confidence[mistakes], kind="stable")]
    for i in worst_first[:rows]:
        cells = [markdown_escape(_excerpt(texts[i])), *describe(i)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def markdown_escape(text):
    """The text on one line, so that Markdown and HTML in it are shown, not obeyed.

    Example:

    >>> print(markdown_escape("*loved* it | <br>\\n10/10"))
    &#42;loved&#42; it &#124; &#60;br&#62; 10/10
    """
    return " ".join(str(text).split()).translate(_ENTITIES)


def _judge_classes(labels, probabilities, names):
    """One true class each: what is wrong, how confidently, and its last three cells."""
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)

    def describe(i):
        return names[labels[i]], names[predicted[i]], f"{confidence[i]:.3f}"

    return predicted != labels, confidence, describe


def _judge_label_sets(labels, probabilities, names):
    """Any number of true classes each: the same, with the worst class in the cells."""
    labels, predicted = labels > 0.5, probabilities > 0.5  # each [N, C]
    error = np.where(labels != predicted, np.abs(labels - probabilities), 0)
    worst = error.argmax(axis=1)

    def describe(i):
        sets = [", ".join(names[chosen[i]]) or "none" for chosen in (labels, predicted)]
        return *sets, f"{names[worst[i]]}: {probabilities[i, worst[i]]:.3f}"

    return (labels != predicted).any(axis=1), error.max(axis=1), describe


def _excerpt(text):
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    text = text.decode("utf-8", "replace")
    return text if len(text) <= _TEXT_LENGTH else text[: _TEXT_LENGTH - 1] + "…"
