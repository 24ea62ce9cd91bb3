"""The exception and the warning for invalid input."""


class InputError(ValueError):
    """Raised for any invalid input: files, arguments, configuration values.

    All readers, commands and constructors raise this exception and no other for invalid input.
    The message has the form ``found; expected; do``.

    Args:
        found: What was found ("lead 'V9' is not in this ECG (it has I, II)").
        expected: What was expected; may be omitted if ``found`` already states it.
        do: How to solve the problem.

    Example:
        >>> str(InputError("the sampling rate is 0 Hz", "a positive number was expected", "give it with fs"))
        'the sampling rate is 0 Hz; a positive number was expected; give it with fs'
    """

    def __init__(self, found: str, expected: str = "", do: str = ""):
        self.found, self.expected, self.do = found, expected, do
        super().__init__("; ".join(part for part in (found, expected, do) if part))


class InputWarning(UserWarning):
    """Issued for questionable input that is used nevertheless, and for names that are deprecated."""
