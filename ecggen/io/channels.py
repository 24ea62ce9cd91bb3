"""Choice of the channels of a file that are read as leads.

The user names leads of the file (``II, V1``), assigns channels to leads by name or number (``II=ECG, I=2``), or names
all channels in the order of the file, with ``-`` for a channel to omit (``I, -, V1``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ecggen.core.ecg import STANDARD_LEADS, check_leads
from ecggen.core.errors import InputError, argument, rewritten
from ecggen.io.normalise import Found, called, find_lead, folded, is_other, lead_name, shown

LEFT_OUT = "-"
"""Entry for a channel to omit."""
MOST_LISTED = 24
"""Largest number of channels that a message lists."""

_ECG = re.compile(r"(?:.*[^a-z])?e[ck]g(?:[^a-z].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """An entry of the leads that the user asks for.

    Attributes:
        lead: Standard name of the lead, or ``LEFT_OUT``.
        channel: Name or number of the channel that is this lead; None if the user gives none.
    """

    lead: str
    channel: str | None = None

    def __str__(self) -> str:
        return self.lead if self.channel is None else f"{self.lead}={self.channel}"


def wanted(leads: Sequence[str] | str | None) -> tuple[Wanted, ...] | None:
    """The entries of ``leads``, a sequence or a comma-separated string; None if the user asks for no lead.

    Raises:
        InputError: If a lead is unknown, or a channel is empty.

    Example:
        >>> wanted("II=ECG, v1")
        (Wanted(lead='II', channel='ECG'), Wanted(lead='V1', channel=None))
    """
    if leads is None:
        return None
    return tuple(_entry(str(entry)) for entry in (leads.split(",") if isinstance(leads, str) else leads))


def assigns(entries: Sequence[Wanted] | None) -> bool:
    """Whether a channel is assigned to a lead by its name or number."""
    return any(one.channel is not None for one in entries or ())


def count(entries: Sequence[Wanted] | None) -> int | None:
    """Number of channels of a file if ``entries`` name them in order; None if they do not."""
    return None if entries is None or assigns(entries) else len(entries)


def as_in_file(found: Found, entries: Sequence[Wanted] | None) -> AbstractContextManager[None]:
    """Context in which messages name the leads that the file does not name by their channels: II=ECG, not II."""
    chosen = zip(*agreed_leads(found, entries), strict=True)
    given = {lead: f"{lead}={_text(found, row)}" for row, lead in chosen if find_lead(found.names[row] or "") is None}

    def change(values: Mapping[str, object]) -> Mapping[str, object]:
        leads = values.get("leads")
        if not isinstance(leads, str):
            return values
        return {**values, "leads": ",".join(given.get(lead, lead) for lead in leads.split(","))}

    return rewritten(change)


def picked(names: Sequence[str | None], entries: Sequence[Wanted] | None, numbers: Sequence[int] = ()) -> list[int]:
    """Rows of the channels that the user picks: by name or number, or by the name of a lead.

    A format that decodes only some channels decodes these. Entries that no channel fits are reported later.

    Args:
        names: Names of all channels of the file.
        entries: What the user asks for.
        numbers: Number of each channel from 1, if ``names`` are not those of all channels.
    """
    rows: list[int] = []
    for one in entries or ():
        rows += _named(names, one.lead) if one.channel is None else _called(names, one.channel, numbers)
    return sorted(set(rows))


def agreed_leads(found: Found, entries: Sequence[Wanted] | None) -> tuple[list[int], list[str]]:
    """Rows of the requested leads, and their standard names.

    Without ``entries``, all channels except those known to be other signals (PLETH, RESP, a time …). If channels are
    assigned to leads, these channels. If the file names all requested leads, those leads in the given order. Otherwise,
    ``entries`` names the channels in file order.

    Raises:
        InputError: If a lead or a channel is not in the file, is given twice, or contradicts the name in the file.
    """
    if assigns(entries):
        return _assigned(found, entries or ())
    names, leads = found.names, [one.lead for one in entries or ()]
    known = [name and find_lead(name) for name in names]
    if leads and set(leads) <= set(known):
        check_leads([lead for lead in known if lead and lead in leads])
        check_leads(leads)
        return [known.index(lead) for lead in leads], leads
    rows = [row for row, name in enumerate(names) if name is None or not is_other(name)]
    if entries is not None and len(leads) != len(rows):
        rows = list(range(len(names)))
    given = _named_by_file(found, rows) if entries is None else _named_by_user(found, rows, leads)
    kept = [(row, lead) for row, lead in zip(rows, given, strict=True) if lead != LEFT_OUT]
    if not kept:
        raise InputError(f"no ECG lead is among the {channels(found)}", "at least one was expected")
    check_leads([lead for _, lead in kept])
    return [row for row, _ in kept], [lead for _, lead in kept]


def channels(found: Found) -> str:
    """The channels of a file for a message: their numbers and names."""
    if not any(found.names):
        last = len(found.names)
        return "1 channel (without a name)" if last == 1 else f"channels 1 to {last} (without names)"
    texts = [f"{found.number(row)} {called(name) if name else '(no name)'}" for row, name in enumerate(found.names)]
    return f"channels {', '.join(texts[:MOST_LISTED])}" + (" …" if len(texts) > MOST_LISTED else "")


def _entry(text: str) -> Wanted:
    lead, equals, channel = (part.strip() for part in text.partition("="))
    if equals and not channel:
        raise InputError(f"{shown(text)} gives no channel", "an entry such as II=ECG or II=2 was expected")
    if lead == LEFT_OUT and not equals:
        return Wanted(LEFT_OUT)
    return Wanted(lead_name(lead), channel if equals else None)


def _named(names: Sequence[str | None], lead: str) -> list[int]:
    """Rows of the channels whose name is that of a lead."""
    return [row for row, name in enumerate(names) if name and find_lead(name) == lead]


def _called(names: Sequence[str | None], channel: str, numbers: Sequence[int] = ()) -> list[int]:
    """Rows of the channels with this name, or else with this number."""
    rows = [row for row, name in enumerate(names) if name and name.strip() == channel]
    rows = rows or [row for row, name in enumerate(names) if name and _bare(name) == _bare(channel)]
    if rows or not channel.isdecimal():
        return rows
    places = numbers or range(1, len(names) + 1)
    return [row for row, number in enumerate(places) if str(number) == channel.lstrip("0")]


def _assigned(found: Found, entries: Sequence[Wanted]) -> tuple[list[int], list[str]]:
    """Rows and leads if channels are assigned to leads; leads without a channel are those that the file names."""
    if LEFT_OUT in (one.lead for one in entries):
        found_here = f"{LEFT_OUT!r} is among leads that channels are assigned to"
        raise InputError(found_here, "leads of the file, or entries such as II=ECG, were expected", "omit it")
    rows = [_one(found, one) for one in entries]
    check_leads([one.lead for one in entries])
    for row in rows:
        if rows.count(row) > 1:
            leads = ", ".join(one.lead for one, other in zip(entries, rows, strict=True) if other == row)
            raise InputError(
                f"channel {_place(found, row)} is assigned to the leads {leads} ({channels(found)})",
                "one lead per channel was expected",
            )
    for row, one in zip(rows, entries, strict=True):
        _refuse_contradiction(found, row, one.lead)
    return rows, [one.lead for one in entries]


def _one(found: Found, entry: Wanted) -> int:
    """The row of an entry."""
    if entry.channel is None:
        rows, what = _named(found.names, entry.lead), f"lead {entry.lead}"
    else:
        rows, what = _called(found.names, entry.channel, found.numbers), f"channel {shown(entry.channel)}"
    if len(rows) == 1:
        return rows[0]
    times = f"{len(rows)} times" if rows else "not"
    row = rows[0] if rows else _likely(found)
    raise InputError(
        f"{what} is {times} in the file ({channels(found)})",
        "the name or the number of one channel was expected",
        f"give its number, e.g. {argument(leads=f'{entry.lead}={found.number(row)}')}",
    )


def _named_by_file(found: Found, rows: list[int]) -> list[str]:
    """Leads of the channels in ``rows`` by their names in the file."""
    if rows and not any(found.names[row] for row in rows):
        raise InputError("the file does not name its leads", do=f"name them in order, e.g. {_example(rows)}")
    leads = [find_lead(found.names[row] or "") for row in rows]
    if None in leads:
        raise _unknown(found, rows, [row for row, lead in zip(rows, leads, strict=True) if lead is None])
    return [lead for lead in leads if lead]


def _unknown(found: Found, rows: list[int], unknown: list[int]) -> InputError:
    """The error for channels whose name is no lead."""
    name = found.names[unknown[0]] or ""
    who = f"{called(name)} is not a known lead" if name else f"channel {found.number(unknown[0])} is not named"
    stated = [find_lead(str(found.names[row])) or "" for row in rows if row not in unknown]
    ambiguous = " (V can be any of V1–V6)" if folded(name) == "v" else ""
    here = f" ({channels(found)})" if len(found.names) > 1 else ""
    expected = f"one of {', '.join(STANDARD_LEADS)} was expected"
    if stated:
        rest = argument(leads=",".join(dict.fromkeys(stated)))
        assigned = argument(leads=f"{_free(stated)}={_text(found, unknown[0])}")
        do = f"read the leads that the file names: {rest}; or say which lead it is, e.g. {assigned}"
        return InputError(f"{who}{ambiguous}{here}", expected, do)
    if len(rows) > 1:
        do = f"say which channel is which lead, e.g. {_assignment(found, rows)}"
        return InputError(f"{who}{ambiguous}{here}", expected, do)
    what = "an ECG" if _ECG.fullmatch(name.strip()) else "a signal"
    found_here = f"{who}{ambiguous}: {what} whose lead is not named{here}"
    return InputError(found_here, expected, f"say which lead it is, e.g. {argument(leads='I')}")


def _named_by_user(found: Found, rows: list[int], leads: list[str]) -> list[str]:
    """Leads of the channels in ``rows`` by the names of the user, in file order."""
    if len(leads) != len(rows):
        here = f"{len(rows)} channel{'s' * (len(rows) != 1)} ({channels(found)})"
        raise InputError(
            f"the file has {here} and {argument('leads')} is {', '.join(leads)}",
            f"leads of the file, or one name per channel ('{LEFT_OUT}' to omit it), were expected",
            f"say which channel is which lead, e.g. {_assignment(found, rows, leads)}",
        )
    for row, lead in zip(rows, leads, strict=True):
        if lead != LEFT_OUT:
            _refuse_contradiction(found, row, lead)
    return leads


def _refuse_contradiction(found: Found, row: int, lead: str) -> None:
    """Raise InputError if the file names another lead for a channel."""
    name = found.names[row]
    if name is not None and (stated := find_lead(name)) not in (None, lead):
        found_here = f"a channel is {called(name)} in the file and {lead!r} in {argument('leads')} ({channels(found)})"
        do = f"read it by its name: {argument(leads=stated)}, or correct the file if it is wrong"
        raise InputError(found_here, do=do)


def _example(rows: list[int]) -> str:
    """An example of names for channels without names, as many as there are."""
    if len(rows) <= 3 or len(rows) == len(STANDARD_LEADS):
        return argument(leads=",".join(STANDARD_LEADS[: len(rows)]))
    return argument(leads=",".join([*STANDARD_LEADS[:2], *[LEFT_OUT] * (len(rows) - 2)]))


def _assignment(found: Found, rows: list[int], leads: Sequence[str] = ()) -> str:
    """An example of a channel that is assigned to a lead."""
    lead = next((one for one in leads if one != LEFT_OUT), "I")
    return argument(leads=f"{lead}={_text(found, _likely(found, rows))}")


def _likely(found: Found, rows: Sequence[int] = ()) -> int:
    """The row of the channel that may be an ECG."""
    some = rows or [row for row, name in enumerate(found.names) if not name or not is_other(name)] or [0]
    return next((row for row in some if _ECG.fullmatch((found.names[row] or "").strip())), some[0])


def _text(found: Found, row: int) -> str:
    """How a channel is given: by its name if that is plain and unique, else by its number."""
    name = (found.names[row] or "").strip()
    plain = re.fullmatch(r"[\w .+/-]{1,32}", name) and _called(found.names, name) == [row]
    return name if plain else str(found.number(row))


def _bare(name: str) -> str:
    """A name without case and without the punctuation that some headers have around it."""
    return folded(name).strip(" ,;:'\"")


def _place(found: Found, row: int) -> str:
    name = found.names[row]
    return f"{found.number(row)} ({called(name)})" if name else str(found.number(row))


def _free(leads: Sequence[str]) -> str:
    """A lead that is not among ``leads``."""
    return next((lead for lead in STANDARD_LEADS if lead not in leads), "I")
