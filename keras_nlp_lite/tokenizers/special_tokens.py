"""The special tokens of a family of models, by their roles."""


class SpecialTokens:
    """What a tokenizer that belongs to a family of models knows beside its pieces.

    A subclass of this and of a tokenizer names the tokens.
    """

    start_token = end_token = pad_token = mask_token = unk_token = None
    # Whether a text that goes into one of the family's models begins and ends with them.
    adds_start = adds_end = True
    # How many end tokens stand between two texts in a row.
    num_separators = 1
    # Whether the family's backbones take segment ids.
    has_segments = False

    @property
    def special_token_names(self):
        """list of str: every special token once."""
        names = (
            self.pad_token,
            self.unk_token,
            self.start_token,
            self.end_token,
            self.mask_token,
        )
        return list(dict.fromkeys(name for name in names if name is not None))

    @property
    def required_token_names(self):
        """list of str: those special tokens without which there is no vocabulary."""
        return self.special_token_names

    def check_special_tokens(self):
        """Refuses a vocabulary that lacks a special token, by a ValueError."""
        wanted = self.required_token_names
        missing = [token for token in wanted if not self._has_token(token)]
        if missing:
            raise ValueError(
                f"`vocabulary` must hold {', '.join(wanted)}. "
                f"Received: one without {', '.join(missing)}. A vocabulary that is "
                "learned gets them as `special_tokens`."
            )

    @property
    def start_token_id(self):
        """int: what a row begins with; None where rows begin with the text."""
        return None if self.start_token is None else self.token_to_id(self.start_token)

    @property
    def end_token_id(self):
        """int: what a text ends with."""
        return self.token_to_id(self.end_token)

    @property
    def pad_token_id(self):
        """int: what a row is filled up with; 0 where no token is there for it."""
        return 0 if self.pad_token is None else self.token_to_id(self.pad_token)

    @property
    def mask_token_id(self):
        """int: what hides a token that is to be guessed."""
        return self.token_to_id(self.mask_token)

    @property
    def special_token_ids(self):
        """list of int, of those special tokens that the vocabulary has."""
        names = self.special_token_names
        return [self.token_to_id(token) for token in names if self._has_token(token)]

    def continues_word(self):
        """list of bool, for each id whether its piece goes on with a word."""
        raise self._missing("continues_word")  # which every tokenizer has
