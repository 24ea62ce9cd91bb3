"""The one error that bad input raises: what was found, what was expected, what to do; and the one warning."""


class InputError(ValueError):
    """Something given to ecggen cannot be used as it is.

    Every reader, command and constructor raises this and nothing else for bad input, so that a
    program needs one ``except`` and a person one sentence.

    Args:
        found: What was there ("lead 'V9' is not in this ECG (it has I, II)").
        expected: What would have been right; may be left out where ``found`` says it already.
        do: What the person can do about it.
    """

    def __init__(self, found: str, expected: str = "", do: str = ""):
        self.found, self.expected, self.do = found, expected, do
        super().__init__("; ".join(part for part in (found, expected, do) if part))


class InputWarning(UserWarning):
    """Something given to ecggen is used although it is doubtful, because its user said so."""
