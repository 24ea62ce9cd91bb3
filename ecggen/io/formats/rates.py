"""Choice of the channels of a file whose channels have several sampling rates: an ECG has one.

By default, the channels at the rate of most leads are decoded. If the user asks for channels, those at the rate of most
of them are decoded. Any other channel that the user asks for is an error, but not one that the user omits.
"""

from __future__ import annotations

from collections.abc import Sequence

from ecggen.core.errors import InputError
from ecggen.io.channels import LEFT_OUT, picked
from ecggen.io.normalise import called, find_lead
from ecggen.io.source import Source


def kept(
    names: Sequence[str | None], rates: Sequence[float], default: float, source: Source, numbers: Sequence[int] = ()
) -> tuple[list[int], float, dict[int, InputError]]:
    """Channels to decode, and their rate.

    Args:
        names: Names of all channels of the file.
        rates: Rate of each channel, in any unit.
        default: Rate to decode if the user asks for no channel.
        source: The file, with the leads that the user asks for.
        numbers: Number of each channel in the file from 1, if not all of its channels are given.

    Returns:
        Rows of the channels, their rate, and those among the rows that have another rate, with the error.
    """
    leads = {one.lead for one in source.wanted}
    by_name = leads <= {find_lead(name) for name in names if name}
    in_order = source.channels == len(names) and not by_name
    asked = picked(names, source.wanted, numbers)
    if in_order:
        asked = [row for row, one in enumerate(source.wanted) if one.lead != LEFT_OUT]
    of_asked = [rates[row] for row in asked]
    rate = max(of_asked, key=lambda one: (of_asked.count(one), one)) if of_asked else default
    rows = [row for row in range(len(names)) if rates[row] == rate or row in asked or in_order]
    others = {place: _refusal(names, row, numbers) for place, row in enumerate(rows) if rates[row] != rate}
    return rows, rate, others


def _refusal(names: Sequence[str | None], row: int, numbers: Sequence[int]) -> InputError:
    """The error for a channel at another rate."""
    name = names[row]
    found = f"channel {called(name) if name else numbers[row] if numbers else row + 1} has another sampling rate"
    return InputError(f"{found} than the others", "one rate for all leads was expected", "read it on its own")
