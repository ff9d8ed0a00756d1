# SPDX-License-Identifier: MIT
"""Stages for flowrun in Python, run by its stage type "exec".

One file without dependencies: copy it beside your program.

    import flowrun_stage

    def handle(record):            # bytes in, bytes out
        return record.upper()

    flowrun_stage.answer(handle)   # one answer for each record: "window" in the graph

or, where a record may give none or several:

    for record in flowrun_stage.records():
        flowrun_stage.emit(record)

Records are told apart as the graph says under "framing": "lines" (the default here too), "nul", or
"length", four bytes with the size, little end first, before each; then any bytes will do.

What is printed by mistake would be taken for records, so sys.stdout is the log from here on.
"""

import os
import struct
import sys

_in = os.dup(0)
_out = os.fdopen(os.dup(1), "wb", buffering=1 << 18)
os.dup2(2, 1)
sys.stdout = sys.stderr


def _split(data, end):
    """The records in data, and what is left behind the last of them."""
    parts = data.split(end)
    return parts[:-1], parts[-1]


def _split_lengths(data):
    found = []
    at = 0
    while len(data) - at >= 4:
        (size,) = struct.unpack_from("<I", data, at)
        if len(data) - at - 4 < size:
            break
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found, data[at:]


def records(framing="lines"):
    """Yield the records of the input as bytes.  What was emitted is sent before more is read, as
    somebody may wait for it."""
    ends = {"lines": b"\n", "nul": b"\0", "length": None}
    if framing not in ends:
        raise ValueError("framing is 'lines', 'nul' or 'length', not %r" % framing)
    end = ends[framing]
    rest = b""
    while True:
        _out.flush()
        data = os.read(_in, 1 << 18)
        if not data:
            break
        found, rest = _split_lengths(rest + data) if end is None else _split(rest + data, end)
        yield from found
    if rest and end is None:
        raise EOFError("the input has ended in the middle of a record")
    if rest:
        yield rest
    _out.flush()


def emit(record, framing="lines"):
    """Send one record, bytes or text."""
    data = record.encode() if isinstance(record, str) else bytes(record)
    if framing == "length":
        _out.write(struct.pack("<I", len(data)))
        _out.write(data)
        return
    end = b"\n" if framing == "lines" else b"\0"
    if end in data:
        raise ValueError("a record with %r in it needs the framing 'length'" % end)
    _out.write(data + end)


def answer(handle, framing="lines"):
    """Give the answer of handle(record) for each record, until the input ends."""
    for record in records(framing):
        emit(handle(record), framing)
    _out.flush()
