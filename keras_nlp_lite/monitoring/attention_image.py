"""The picture of a layer's attention: a square a head, tokens on its sides."""

import numpy as np

from keras_nlp_lite.monitoring.drawing import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    PALE,
    WHITE,
    letters,
    sheet,
    short_name,
    text_width,
    widest,
    write_upwards,
)

MOST_TOKENS = 40  # in a picture: of more, none could be read
_HEADS_A_ROW = 4
_ROOMY = 240  # pixels for a head's cells, as long as they stay within:
_SMALLEST_CELL, _LARGEST_CELL = 14, 40
_GAP, _LINE = 6, 20

# How tokenizers write a space, which the font may not have.
_SPACES = str.maketrans({"Ġ": "_", "▁": "_", "Ċ": "\\"})


def draw_attention(weights, tokens, title=""):
    """Draws the attention of a layer's heads.

    Rows look, columns are looked at. A head's darkest cell is its largest weight, which
    stands above it.

    Args:
        weights: float [H, N, N], rows of each head sum to 1. The first 40 tokens are
            drawn.
        tokens: N str.
        title: str, above all.

    Returns:
        uint8 [height, width, 3].
    """
    from PIL import Image

    weights = np.asarray(weights)[:, :MOST_TOKENS, :MOST_TOKENS]
    H, N = weights.shape[:2]
    cell = int(np.clip(_ROOMY // max(N, 1), _SMALLEST_CELL, _LARGEST_CELL))
    font, title_font = letters(12), letters(16)
    names = [
        short_name(token.translate(_SPACES), number, font)
        for number, token in enumerate(tokens[:N])
    ]
    room = widest(font, names) + _GAP
    side = cell * N
    head_width = room + max(side, 110) + MARGIN
    head_height = _LINE + room + side + MARGIN
    columns = min(H, _HEADS_A_ROW)
    width = max(
        MARGIN + columns * head_width, 2 * MARGIN + text_width(title_font, title)
    )
    height = MARGIN + _LINE + -(-H // columns) * head_height + MARGIN
    image, draw = sheet(width, height)
    draw.text((MARGIN, MARGIN // 2), title, tuple(INK), title_font)
    for head in range(H):
        x = MARGIN + head % columns * head_width
        y = MARGIN + _LINE + head // columns * head_height
        largest = float(weights[head].max(initial=0.0))
        said = f"head {head}, up to {largest:.2f}"
        draw.text((x + room, y), said, tuple(GREY), font)
        left, top = x + room, y + _LINE + room
        for number, name in enumerate(names):
            middle = number * cell + cell // 2
            draw.text((left - _GAP, top + middle), name, tuple(INK), font, "rm")
            write_upwards(image, left + middle, top - _GAP, name, font)
        shade = weights[head][..., None] / max(largest, 1e-9)  # [N, N, 1]
        colours = np.rint(WHITE + shade * (BLUE - WHITE)).astype("uint8")
        square = Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST)
        image.paste(square, (left, top))
        draw.rectangle([left, top, left + side, top + side], outline=tuple(PALE))
    return np.array(image)
