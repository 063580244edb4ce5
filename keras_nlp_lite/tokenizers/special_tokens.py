"""The special tokens of a family of models, by their roles."""


class SpecialTokens:
    """What a tokenizer that belongs to a family of models knows beside its pieces.

    A subclass of this and of a tokenizer names the tokens.
    """

    start_token = end_token = pad_token = mask_token = unk_token = None
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
    def start_token_id(self):
        """int: what a row begins with."""
        return self.token_to_id(self.start_token)

    @property
    def end_token_id(self):
        """int: what a text ends with."""
        return self.token_to_id(self.end_token)

    @property
    def pad_token_id(self):
        """int: what a row is filled up with."""
        return self.token_to_id(self.pad_token)

    @property
    def mask_token_id(self):
        """int: what hides a token that is to be guessed."""
        return self.token_to_id(self.mask_token)

    @property
    def special_token_ids(self):
        """list of int, of those special tokens that the vocabulary has."""
        known = set(self.get_vocabulary())
        return [self.token_to_id(t) for t in self.special_token_names if t in known]

    def continues_word(self):
        """list of bool, for each id whether its piece goes on with a word."""
        raise self._missing("continues_word")  # which every tokenizer has
