"""Arrow's list columns as numpy arrays of offsets and values, and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssmi.pipeline.features.columns import Ints


def whole(table: pa.Table, name: str) -> pa.Array:
    """A column of a table as one array."""
    return table[name].combine_chunks()


def offsets(lists: pa.ListArray) -> Ints:
    """Return the start of each list in the flattened values, and the end of the last list. Shape: (lists + 1,)."""
    ends: Ints = lists.offsets.to_numpy().astype(np.int64)
    return ends - ends[:1]


def numbers(lists: pa.Array) -> npt.NDArray[np.int64]:
    """Return all numbers in a column of lists, which may be nested."""
    while pa.types.is_list(lists.type):
        lists = lists.flatten()
    values: Ints = lists.to_numpy().astype(np.int64)
    return values


def list_array(starts: Ints, values: pa.Array) -> pa.ListArray:
    """Build lists of ``values``; ``starts`` has the form that ``offsets`` returns."""
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), values)


def id_lists(starts: Ints, ids: Ints) -> pa.ListArray:
    """Build lists of int32 ids; ``starts`` has the form that ``offsets`` returns."""
    return list_array(starts, pa.array(ids, pa.int32()))


def text_of(strings: pa.StringArray) -> str:
    """Join all strings of an array."""
    _, ends, data = strings.buffers()
    if not len(strings) or data is None:
        return ""
    ends = np.frombuffer(ends, dtype=np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return str(memoryview(data)[ends[0] : ends[-1]], "utf-8")


def characters_of(text: str) -> pa.StringArray:
    """Split a text into an array of its characters; raises UnicodeEncodeError for lone surrogates."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    n_bytes = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
    starts = pa.array(np.append(0, np.cumsum(n_bytes)), pa.int32())
    return pa.StringArray.from_buffers(len(text), starts.buffers()[1], pa.py_buffer(text.encode()))
