"""Safe XML parsing and conversion of values, shared by the clinical XML formats.

XML can define entities that expand to gigabytes, refer to other files, or nest without limit. This parser accepts
elements, attributes and text only. A document type without definitions (as in MUSE files) is ignored and never
fetched. Comments are dropped, because they may hold addresses. Namespaces are removed, because devices differ in them.
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
"""Largest number of elements and attributes of a file; real files have a few thousand."""

DEEPEST = 100
"""Deepest nesting of elements; real files reach 25."""

MOST_DIGITS = 2**24
"""Largest number of characters of the samples of a recording: eleven minutes of twelve leads at 500 Hz."""

_LONGEST = 2**20  # bytes of one tag or comment, which the parser holds in memory as a whole
_CHUNK = 2**16
_NAMESPACE = re.compile(r"""[\w:.-]{0,200}\s{0,20}=\s{0,20}(?:"[^"<]{0,500}"|'[^'<]{0,500}')""")
_PROLOGUE = r"(?:\s|<\?(?:(?!\?>).)*\?>|<!--(?:(?!-->).)*-->|<!DOCTYPE[^<>\[\]]*>)*"
_ROOT = re.compile(rf"{_PROLOGUE}<(?:!DOCTYPE\s+)?(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)


def root_name(source: Source) -> str:
    """Name of the root element; "" if the file is not XML."""
    match = _ROOT.match(_decoded(source.opening, "replace"))
    return match[1] if match else ""


def opened(source: Source) -> Element:
    """Parse a file and return its root element.

    Raises:
        InputError: If it is not complete XML, defines entities, or is larger or deeper than any recording.
    """
    return with_library("XML file", _parsed, _decoded(source.raw))


def words(element: Element | None, path: str = ".") -> str:
    """Texts of all elements at ``path``, joined with "; "; "" if there are none."""
    found = element.iterfind(path) if element is not None else ()
    return joined(*(" ".join("".join(one.itertext()).split()) for one in found))


def values(element: Element, path: str, attribute: str) -> str:
    """Values of an attribute of all elements at ``path``, joined with "; "; "" if there are none."""
    return joined(*(one.get(attribute, "").strip() for one in element.iterfind(path)))


def joined(*texts: str) -> str:
    """Texts that are not empty, without repetitions, joined with "; "."""
    return "; ".join(dict.fromkeys(filter(None, texts)))


def number(text: str | None, what: str) -> float:
    """Parse a number, which may have a decimal comma.

    Raises:
        InputError: If it is not a finite number; ``what`` is the subject of the message.
    """
    try:
        found = float((text or "").strip().replace(",", "."))
    except ValueError:
        found = np.nan
    if not np.isfinite(found):
        problem = "not a number" if text and text.strip() else "missing"
        raise InputError(f"{what} is {problem}", "a number was expected")
    return found


def count(text: str | None, what: str) -> int:
    """Parse a number of samples or bytes.

    Raises:
        InputError: If it is not an integer in the accepted range; ``what`` is the subject of the message.
    """
    found = number(text, what)
    if not (found.is_integer() and 0 <= found <= 2 * MOST_SAMPLES):
        raise InputError(f"{what} is {found:g}", f"an integer from 0 to {2 * MOST_SAMPLES} was expected")
    return int(found)


def samples(text: str, what: str) -> np.ndarray:
    """Parse numbers separated by white space, as float64.

    Raises:
        InputError: If something else is among them, or there are too many.
    """
    if len(text) > MOST_DIGITS:
        found = f"{what} holds {len(text)} characters of samples"
        raise InputError(found, f"{MOST_DIGITS} are read at most", "split it")
    if not text.strip():
        return np.empty(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy only warns if it stops before the end
            return _numbers(text)
    except (ValueError, DeprecationWarning) as error:
        expected = "numbers separated by spaces were expected"
        raise InputError(f"{what} holds other text than numbers", expected) from error


def _numbers(text: str) -> np.ndarray:
    """Parse as integers if possible, which is seven times as fast; numpy would saturate integers that are too large."""
    try:
        whole = np.fromstring(text, np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        return np.fromstring(text, np.float64, sep=" ")
    return whole.astype(np.float64) if np.abs(whole).max() < 2**53 else np.fromstring(text, np.float64, sep=" ")


def unpacked(text: str, what: str) -> bytes:
    """Decode Base64, which may contain line breaks.

    Raises:
        InputError: If it is not valid Base64.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise InputError(f"{what} cannot be decoded", "complete Base64 was expected", "export it again") from error


def numbered(kinds: Sequence[str]) -> list[str]:
    """A name for each recording: its kind, with a number if there are several of this kind."""
    total, seen, names = Counter(kinds), Counter[str](), []
    for kind in kinds:
        seen[kind] += 1
        names.append(kind if total[kind] == 1 else f"{kind} {seen[kind]}")
    return names


def picked(names: Sequence[str], record: str | None) -> tuple[int, tuple[str, ...]]:
    """Index of the requested recording, and a note on the others; the first rhythm is the default.

    Raises:
        InputError: If there is no recording, or none of this name.
    """
    if record is not None or len(names) < 2:
        return chosen(names, record), ()
    first = next((at for at, name in enumerate(names) if name.startswith("rhythm")), 0)
    others = listed(name for at, name in enumerate(names) if at != first)
    return first, (f"of several recordings, '{names[first]}' was read; left out: {others}",)


def derived(names: Sequence[str]) -> list[str]:
    """Names of the recordings besides the rhythms; empty if there is no rhythm.

    Example:
        >>> derived(["rhythm", "median"]), derived(["median"])
        (['median'], [])
    """
    others = [name for name in names if not name.startswith("rhythm")]
    return others if len(others) < len(names) else []


class _Tree:
    """Parser target that counts elements and attributes before it stores them."""

    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self.depth = self.size = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.size += 1 + len(attributes)
        if self.depth > DEEPEST or self.size > MOST_ELEMENTS:
            deep, many = f"elements are nested more than {DEEPEST} deep", "there are too many elements and attributes"
            found = deep if self.depth > DEEPEST else many
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

    # The parser copies the namespace into every name: a long one would fill the memory.
    if not all(_NAMESPACE.match(text, at.end()) for at in re.finditer("xmlns", text)):
        raise InputError("the file declares an unusual namespace", "one of at most 500 characters was expected")
    # The text is decoded already, so that the encoding in its declaration is ignored.
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
    """Accept a document type that only has a name; reject one with definitions."""
    if inside:
        raise _definitions()


def _refuse_entity(name: str, parameter: bool) -> None:
    raise _definitions()


def _definitions() -> InputError:
    found = "the file defines entities, or refers to other files (a DTD with entities)"
    return InputError(found, "elements, attributes and text only were expected", "export it again without them")


def _decoded(raw: bytes, errors: str = "strict") -> str:
    """Decode by the first bytes, else as Latin-1; the declared encoding is often wrong and therefore ignored."""
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
    try:
        text = raw.decode(marks.get(raw[:2], "utf-8-sig"), errors)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.lstrip()


def _local(name: str) -> str:
    return name.rpartition("}")[2]
