"""XML, opened carefully: the shared beginning of the clinical formats that are written in it.

Markup can define words that unfold to gigabytes, ask for other files, or nest without end. Here elements, attributes
and text pass, and nothing else; a document type without definitions (MUSE names its own) is passed over and never
fetched. Comments, where people leave their addresses, are dropped. Names come without namespaces: devices disagree
on those.
"""

from __future__ import annotations

import base64
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from xml.etree.ElementTree import Element, TreeBuilder

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.normalise import listed
from ecggen.io.source import MOST_SAMPLES, Source, chosen, with_library

MOST_ELEMENTS = 200_000
"""Elements and attributes of a file; the real ones have a few thousand."""

DEEPEST = 100
"""Elements within elements; the real ones reach 25."""

MOST_DIGITS = 2**24
"""Characters of the samples of a recording: eleven minutes of twelve leads at 500 Hz."""

_LONGEST = 2**20  # bytes of one tag or comment, which the parser must hold as a whole
_CHUNK = 2**16
_NAMESPACE = re.compile(r"""[\w:.-]{0,200}\s{0,20}=\s{0,20}(?:"[^"<]{0,500}"|'[^'<]{0,500}')""")
_PROLOGUE = r"(?:\s|<\?(?:(?!\?>).)*\?>|<!--(?:(?!-->).)*-->|<!DOCTYPE[^<>\[\]]*>)*"
_ROOT = re.compile(rf"{_PROLOGUE}<(?:!DOCTYPE\s+)?(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)


def root_name(source: Source) -> str:
    """Name of the outermost element, "" where a file does not open as XML."""
    match = _ROOT.match(_decoded(source.opening, "replace"))
    return match[1] if match else ""


def opened(source: Source) -> Element:
    """The outermost element of a file, with all that is in it.

    Raises:
        InputError: Where it is no whole XML, defines entities, or is larger or deeper than any recording.
    """
    return with_library("XML file", _parsed, _decoded(source.raw))


def words(element: Element | None, path: str = ".") -> str:
    """The text of all elements at ``path``, "; " between them; "" where there is none."""
    found = element.iterfind(path) if element is not None else ()
    return joined(*(" ".join("".join(one.itertext()).split()) for one in found))


def values(element: Element, path: str, attribute: str) -> str:
    """The attribute of all elements at ``path``, "; " between them; "" where there is none."""
    return joined(*(one.get(attribute, "").strip() for one in element.iterfind(path)))


def joined(*texts: str) -> str:
    """The texts that are not empty, each once, "; " between them."""
    return "; ".join(dict.fromkeys(filter(None, texts)))


def number(text: str | None, what: str) -> float:
    """A number as devices write it, some with a decimal comma.

    Raises:
        InputError: Where it is none, or not finite; ``what`` is the subject of the sentence.
    """
    try:
        found = float((text or "").strip().replace(",", "."))
    except ValueError:
        found = np.nan
    if not np.isfinite(found):
        raise InputError(f"{what} is {'no number' if text and text.strip() else 'missing'}", "a number was expected")
    return found


def count(text: str | None, what: str) -> int:
    """A number of samples or bytes, never more than is read anywhere.

    Raises:
        InputError: Where it is none; ``what`` is the subject of the sentence.
    """
    found = number(text, what)
    if not (found.is_integer() and 0 <= found <= 2 * MOST_SAMPLES):
        raise InputError(f"{what} is {found:g}", f"a whole number up to {2 * MOST_SAMPLES} was expected")
    return int(found)


def samples(text: str, what: str) -> np.ndarray:
    """The numbers in ``text``, white space between them, as float64.

    Raises:
        InputError: Where something else stands among them, or they are too many.
    """
    if len(text) > MOST_DIGITS:
        found = f"{what} holds {len(text)} characters of samples"
        raise InputError(found, f"{MOST_DIGITS} are read at most", "split it")
    if not text.strip():
        return np.empty(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy only warns where it stops before the end
            return _numbers(text)
    except (ValueError, DeprecationWarning) as error:
        raise InputError(f"{what} holds more than numbers", "digits with spaces between were expected") from error


def _numbers(text: str) -> np.ndarray:
    """Integers where all are, for they take a seventh of the time; too large ones would stick at the largest."""
    try:
        whole = np.fromstring(text, np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        return np.fromstring(text, np.float64, sep=" ")
    return whole.astype(np.float64) if np.abs(whole).max() < 2**53 else np.fromstring(text, np.float64, sep=" ")


def unpacked(text: str, what: str) -> bytes:
    """The bytes that Base64 stands for; line breaks may stand anywhere.

    Raises:
        InputError: Where it is none.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise InputError(f"{what} cannot be decoded", "whole Base64 was expected", "export it again") from error


def numbered(kinds: Sequence[str]) -> list[str]:
    """A name for each recording: its kind, with a number where there are several of it."""
    total, seen, names = Counter(kinds), Counter[str](), []
    for kind in kinds:
        seen[kind] += 1
        names.append(kind if total[kind] == 1 else f"{kind} {seen[kind]}")
    return names


def picked(names: Sequence[str], record: str | None) -> tuple[int, tuple[str, ...]]:
    """Index of the recording that is asked for, and what to say of the others.

    Where nobody asks, the first rhythm: whoever opens the ECG of a device means what the device recorded, and not
    the beat that it averaged from it.

    Raises:
        InputError: Where there is none, or none of the name.
    """
    if record is not None or len(names) < 2:
        return chosen(names, record), ()
    first = next((at for at, name in enumerate(names) if name.startswith("rhythm")), 0)
    others = listed(name for at, name in enumerate(names) if at != first)
    return first, (f"of several recordings, '{names[first]}' was read; left out: {others}",)


class _Tree:
    """What the parser fills: counts first, keeps then."""

    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self.depth = self.size = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.size += 1 + len(attributes)
        if self.depth > DEEPEST or self.size > MOST_ELEMENTS:
            found = f"elements stand more than {DEEPEST} deep" if self.depth > DEEPEST else "the file is too rich"
            raise InputError(found, f"at most {MOST_ELEMENTS} elements and attributes were expected", "split it")
        self.builder.start(_local(tag), {_local(name): value for name, value in attributes.items()})

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(_local(tag))

    def data(self, text: str) -> None:
        self.builder.data(text)

    def close(self) -> Element:
        return self.builder.close()


def _parsed(text: str) -> Element:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    # The parser copies the namespace into every name that it is in: a long one would fill the memory.
    if not all(_NAMESPACE.match(text, at.end()) for at in re.finditer("xmlns", text)):
        raise InputError("the file declares a namespace of unusual form", "one of at most 500 characters was expected")
    # The text is decoded already: what its declaration says of its encoding is passed over.
    parser = DefusedXMLParser(target=_Tree(), encoding="utf-8")
    parser.parser.StartDoctypeDeclHandler = _refuse_definitions
    parser.parser.SkippedEntityHandler = _refuse_entity
    parser.parser.DefaultHandlerExpand = None  # or every comment would pass through Python
    fed = 0
    try:
        for at in range(0, len(text), _CHUNK):
            chunk = text[at : at + _CHUNK].encode()
            parser.feed(chunk)
            fed += len(chunk)
            if fed - parser.parser.CurrentByteIndex > _LONGEST:
                raise InputError("a tag or comment of the file is longer than a megabyte", "shorter ones were expected")
        return parser.close()
    except DefusedXmlException as error:
        raise _definitions() from error


def _refuse_definitions(name: str, system: str | None, public: str | None, inside: int) -> None:
    """Pass over a document type that only has a name; refuse one that defines something."""
    if inside:
        raise _definitions()


def _refuse_entity(name: str, parameter: bool) -> None:
    raise _definitions()


def _definitions() -> InputError:
    found = "the file defines words of its own, or refers to other files (a DTD with entities)"
    return InputError(found, "elements, attributes and text alone were expected", "export it again without them")


def _decoded(raw: bytes, errors: str = "strict") -> str:
    """Text as its first bytes show it; else Latin-1, which every byte is. What it declares is often wrong."""
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
    try:
        text = raw.decode(marks.get(raw[:2], "utf-8-sig"), errors)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.lstrip()


def _local(name: str) -> str:
    return name.rpartition("}")[2]
