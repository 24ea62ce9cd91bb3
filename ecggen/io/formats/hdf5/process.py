"""HDF5 in a process of its own: a broken file may end or stall the C library, and then ends this process only.

Started by ``hdf5_file`` with the file's path, it says when it is ready, then answers each line of JSON on its standard
input with a line of JSON and, where values are asked for, their bytes. Links other than hard ones, data in other
files, and filters that would load a plugin are left alone. Nothing of ecggen is imported: the process has to start
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
"""Of computing, in all."""

_MOST_MEMORY = 1200 * 1024**2
_MOST_OBJECTS = 2000
_MOST_ATTRIBUTES = 64
_LONGEST_ATTRIBUTE = 2**16
_LARGEST_CHUNK = 2**26
_LONGEST_NAME = 256
_DEEPEST = 4
_PLAIN_FILTERS = {1, 2, 3, 32000}  # deflate, shuffle, Fletcher's checksum, LZF: those that h5py brings along


def main(path: str, most_samples: int) -> None:
    """Answer questions about a file until there are no more.

    Args:
        path: The file.
        most_samples: How many an array may hold.
    """
    import h5py

    _limit()
    _tell({})
    line = sys.stdin.readline()
    try:
        with h5py.File(path, "r", driver="sec2", locking=False) as file:
            objects = dict(islice(_walk(h5py, file, "", set()), _MOST_OBJECTS))
            while line:
                _tell(*_answer(h5py, objects, json.loads(line), most_samples))
                line = sys.stdin.readline()
    except Exception:  # the words of the library may quote the file
        _tell({"refused": "broken"})


def _limit() -> None:
    """Seconds and bytes that this process may take; Windows knows no such limits."""
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
    """The groups and arrays that hard links lead to, by their paths; each group once, however many links lead there."""
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
    """What lies in the file, or the values of one array, or of a row of it."""
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
        words = numpy.ravel(data.asstr(errors="replace")[()]).tolist()
        return {"words": [str(word)[:_LONGEST_NAME] for word in words]}, b""
    values = numpy.asarray(data[()] if row is None else data[row])
    values = numpy.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(shape)
    return {"dtype": values.dtype.str, "shape": shape}, values.data


def _known(h5py: Any, objects: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The facts of each object that can be told."""
    for path, one in objects.items():
        with suppress(Exception):
            yield path, _facts(h5py, one)


def _facts(h5py: Any, one: Any) -> dict[str, Any]:
    """Shape, kind of numbers and attributes; the shape is None for a group."""
    is_array = isinstance(one, h5py.Dataset)
    words = is_array and h5py.check_string_dtype(one.dtype) is not None
    kind = "" if not is_array else "U" if words else one.dtype.kind
    shape = one.shape if is_array else None
    return {"shape": shape, "kind": kind, "attributes": _attributes(h5py, one)}


def _attributes(h5py: Any, one: Any) -> dict[str, Any]:
    """The attributes that are a few numbers or words."""
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
    """Numbers and words as JSON has them."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value[:_LONGEST_ATTRIBUTE] if isinstance(value, str) else value if isinstance(value, int | float) else None


def _is_plain(h5py: Any, data: Any) -> bool:
    """Whether the values lie in this file, in pieces of bearable size, packed by filters that are at hand."""
    how = data.id.get_create_plist()
    if how.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED) or how.get_external_count():
        return False
    filters = {how.get_filter(number)[0] for number in range(min(how.get_nfilters(), 32))}
    words = h5py.check_string_dtype(data.dtype) is not None
    if not filters <= _PLAIN_FILTERS or not (words or data.dtype.kind in "biuf"):
        return False
    return not data.chunks or math.prod(data.chunks) * data.dtype.itemsize <= _LARGEST_CHUNK


def _tell(answer: dict[str, Any], content: bytes | memoryview = b"") -> None:
    """A line of JSON, and the bytes that it announces."""
    out = sys.stdout.buffer
    size = content.nbytes if isinstance(content, memoryview) else len(content)
    out.write(json.dumps(answer | {"bytes": size}).encode() + b"\n")
    out.write(content)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
