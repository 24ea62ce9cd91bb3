"""The separate process that reads HDF5, so that a broken file can crash or block this process only.

``file`` starts it with the path of the HDF5 file. It reports when it is ready, then answers each line of JSON on its
standard input with a line of JSON and, if values are requested, their bytes. Soft and external links, data in other
files, and filters that need a plugin are not followed. No module of ecggen is imported, so that the process starts
quickly.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

SECONDS = 3
"""Limit of computing time in seconds."""

_MOST_MEMORY = 1200 * 1024**2
_MOST_OBJECTS = 2000
_MOST_ATTRIBUTES = 64
_LONGEST_ATTRIBUTE = 2**16
_LARGEST_CHUNK = 2**26
_LONGEST_NAME = 256
_DEEPEST = 4
_PLAIN_FILTERS = {1, 2, 3, 32000}  # deflate, shuffle, Fletcher's checksum, LZF: those that h5py includes


def main(path: str, most_samples: int) -> None:
    """Answer requests for a file until the input ends.

    Args:
        path: The file.
        most_samples: Largest number of samples of an array.
    """
    import h5py

    _limit()
    _send({})
    line = sys.stdin.readline()
    try:
        with h5py.File(path, "r", driver="sec2", locking=False) as file:
            objects = dict(islice(_walk(h5py, file, "", set()), _MOST_OBJECTS))
            while line:
                _send(*_answer(h5py, objects, json.loads(line), most_samples))
                line = sys.stdin.readline()
    except Exception:  # messages of the library may quote the file and are not passed on
        _send({"refused": "broken"})


def _limit() -> None:
    """Limit the time and memory of this process; Windows does not support such limits."""
    try:
        import resource
    except ImportError:
        return
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    seconds = math.ceil(used) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _walk(h5py: Any, group: Any, above: str, walked: set[int]) -> Iterator[tuple[str, Any]]:
    """Groups and arrays that are reachable by hard links, with their paths; each group once."""
    address = h5py.h5o.get_info(group.id).addr
    if address in walked or above.count("/") > _DEEPEST:
        return
    walked.add(address)
    yield above or "/", group
    for name in islice(group, _MOST_OBJECTS):
        if len(name) > _LONGEST_NAME or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        try:
            inner = group[name]
        except Exception:
            continue
        if isinstance(inner, h5py.Dataset):
            yield f"{above}/{name}", inner
        elif isinstance(inner, h5py.Group):
            yield from _walk(h5py, inner, f"{above}/{name}", walked)


def _answer(
    h5py: Any, objects: dict[str, Any], question: dict[str, Any], most: int
) -> tuple[dict[str, Any], bytes | memoryview]:
    """Answer a request for the contents of the file, or for the values of an array or of one of its rows."""
    import numpy

    if "path" not in question:
        return {"objects": dict(_known(h5py, objects))}, b""
    data, row = objects[question["path"]], question.get("row")
    shape = data.shape if row is None else data.shape[1:]
    if not _is_plain(h5py, data):
        return {"refused": "elsewhere"}, b""
    if math.prod(shape) > most:
        return {"refused": "size"}, b""
    if h5py.check_string_dtype(data.dtype):
        texts = numpy.ravel(data.asstr(errors="replace")[()]).tolist()
        return {"words": [str(text)[:_LONGEST_NAME] for text in texts]}, b""
    values = numpy.asarray(data[()] if row is None else data[row])
    values = numpy.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(shape)
    return {"dtype": values.dtype.str, "shape": shape}, values.data


def _known(h5py: Any, objects: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Description of each object that can be read."""
    for path, one in objects.items():
        with suppress(Exception):
            yield path, _described(h5py, one)


def _described(h5py: Any, one: Any) -> dict[str, Any]:
    """Shape, kind of numbers and attributes of an object; the shape of a group is None."""
    is_array = isinstance(one, h5py.Dataset)
    is_text = is_array and h5py.check_string_dtype(one.dtype) is not None
    kind = "" if not is_array else "U" if is_text else one.dtype.kind
    shape = one.shape if is_array else None
    return {"shape": shape, "kind": kind, "attributes": _attributes(h5py, one)}


def _attributes(h5py: Any, one: Any) -> dict[str, Any]:
    """Attributes that are short numbers or texts."""
    found = {}
    for name in islice(one.attrs, _MOST_ATTRIBUTES):
        try:
            attribute = h5py.h5a.open(one.id, name.encode())
            if attribute.get_storage_size() > _LONGEST_ATTRIBUTE or attribute.dtype.kind not in "biufSUO":
                continue
            if attribute.dtype.kind == "O" and h5py.check_string_dtype(attribute.dtype) is None:
                continue
            found[name[:64]] = _plain(one.attrs[name])
        except Exception:
            continue
    return found


def _plain(value: Any) -> Any:
    """Convert numbers and texts to types of JSON."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value[:_LONGEST_ATTRIBUTE] if isinstance(value, str) else value if isinstance(value, int | float) else None


def _is_plain(h5py: Any, data: Any) -> bool:
    """Whether the values are stored in this file, in chunks of limited size, with supported filters only."""
    plist = data.id.get_create_plist()
    layouts = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
    if plist.get_layout() not in layouts or plist.get_external_count():
        return False
    filters = {plist.get_filter(number)[0] for number in range(min(plist.get_nfilters(), 32))}
    is_text = h5py.check_string_dtype(data.dtype) is not None
    if not filters <= _PLAIN_FILTERS or not (is_text or data.dtype.kind in "biuf"):
        return False
    return not data.chunks or math.prod(data.chunks) * data.dtype.itemsize <= _LARGEST_CHUNK


def _send(answer: dict[str, Any], content: bytes | memoryview = b"") -> None:
    """Write a line of JSON, followed by the bytes that it declares."""
    out = sys.stdout.buffer
    size = content.nbytes if isinstance(content, memoryview) else len(content)
    out.write(json.dumps(answer | {"bytes": size}).encode() + b"\n")
    out.write(content)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
