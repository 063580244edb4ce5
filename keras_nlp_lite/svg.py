"""Pictures that stand in a file of their own."""

import os

from keras_nlp_lite.atomic import replacing


def write_svg(path, picture):
    """Writes a picture to a file, whole or not at all.

    Args:
        path: File, of the ending ".svg".
        picture: str, an SVG image.

    Raises:
        ValueError: the path has another ending.
    """
    path = os.fspath(path)
    start, ending = os.path.splitext(path)
    if ending.lower() != ".svg":
        raise ValueError(
            f"The picture is an SVG. Received: path={path!r}. Try {start + '.svg'!r}."
        )
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8") as file,
    ):
        file.write(picture)
