# SPDX-License-Identifier: MIT
"""The workloads in Python: threads or processes with queues between them, or asyncio tasks.

    peers.py chain|broadcast|jobs|keyed|latency mode=threads|multiprocessing|asyncio KEY=VALUE...

One item of a queue is a record.  Sums of large records and the work of jobs are done in C (python.c),
as a program that cares for speed would.
"""

import asyncio
import ctypes
import json
import multiprocessing
import os
import queue
import struct
import sys
import threading
import time

MASK = (1 << 64) - 1
QUEUE = 1000
LARGE = 512  # bytes; from here on a call of C costs less than adding up in Python

c = ctypes.CDLL(os.path.join(os.environ["BENCH_PROGRAMS"], "bench_python.so"))
c.bench_python_sum.restype = ctypes.c_uint64
c.bench_python_sum.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def make_pattern(size):
    words = b"".join(mix(i).to_bytes(8, "little") for i in range((size + 7) // 8))
    return words[:size]


def add_up(record):
    size = len(record)
    if size >= LARGE:
        if isinstance(record, bytearray):
            return c.bench_python_sum((ctypes.c_char * size).from_buffer(record), size)
        return c.bench_python_sum(record, size)
    words = size // 8
    rest = bytes(record[words * 8:])
    return sum(struct.unpack_from("<%dQ" % words, record)) + int.from_bytes(rest, "little")


class Tally:
    def __init__(self):
        self.count = self.bytes = self.sum = self.next = self.disorder = 0
        self.delays = []
        self.late = []

    def add(self, record):
        number = int.from_bytes(record[:8], "little")
        self.add_text(record)
        self.disorder += number < self.next
        self.next = number + 1

    def add_text(self, record):
        self.sum += add_up(record)
        self.count += 1
        self.bytes += len(record)

    def add_delay(self, record):
        now = time.monotonic_ns()
        stamp, due = struct.unpack_from("<2Q", record, 8)
        self.delays.append(now - stamp)
        self.late.append(now - due)
        self.add(record)
        self.sum -= stamp + due

    def show(self):
        proof = {"count": self.count, "bytes": self.bytes, "sum": "%016x" % (self.sum & MASK),
                 "disorder": self.disorder}
        if self.delays:
            for prefix, values in (("", sorted(self.delays)), ("due_", sorted(self.late))):
                for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
                    at = min(int(share * len(values)), len(values) - 1)
                    proof[prefix + name] = values[at]
        os.write(1, (json.dumps(proof) + "\n").encode())  # in one piece


class Options:
    def __init__(self, words):
        self.workload = words[0]
        for word in words[1:]:
            key, value = word.split("=", 1)
            setattr(self, key, int(value) if value.isdigit() else value)


def records(o):
    tail = make_pattern(o.size)[8:]
    for i in range(o.count):
        yield i.to_bytes(8, "little") + tail


def ticks(o):
    """What is due, and when: (due, record)."""
    tail = make_pattern(o.size)[24:]
    start = time.monotonic_ns()
    for i in range(o.count):
        due = start + i * 1000000000 // o.rate
        yield due, lambda i=i, due=due: struct.pack("<3Q", i, time.monotonic_ns(), due) + tail


def jobs(o):
    for i in range(o.count):
        is_long = o.every > 0 and mix(i) % o.every == 0
        yield struct.pack("<3Q", i, o.long_steps if is_long else o.steps, 0)


def keyed(o):
    tail = make_pattern(16)[8:]
    for i in range(o.count):
        key = b"%08d" % (mix(i) % o.keys)
        yield i.to_bytes(8, "little") + tail + key


def work(record):
    job = bytearray(record)
    c.bench_python_work((ctypes.c_char * len(job)).from_buffer(job))
    return bytes(job)


def count_lines(counts):
    for key, count in counts.items():
        yield b"%d %s" % (count, key)


# Stages of threads and processes: queues in, queues out; None is the end.


def produce(items, outs, deal):
    for i, item in enumerate(items):
        if deal is None:
            for out in outs:
                out.put(item)
        else:
            outs[deal(i, item)].put(item)
    for out in outs:
        out.put(None)


def produce_shared(items, out, readers):
    for item in items:
        out.put(item)
    for _ in range(readers):
        out.put(None)


def tick(o, out):
    for due, make in ticks(o):
        early = due - time.monotonic_ns()
        if early > 0:
            time.sleep(early / 1e9)
        out.put(make())
    out.put(None)


def pass_on(change, source, out):
    while (record := source.get()) is not None:
        out.put(change(record))
    out.put(None)


def count(source, out):
    counts = {}
    while (record := source.get()) is not None:
        key = record[16:]
        counts[key] = counts.get(key, 0) + 1
    for line in count_lines(counts):
        out.put(line)
    out.put(None)


def end(add, sources, writers):
    """Takes from the sources in turn, or, if they are fewer than the writers, as it comes."""
    tally = Tally()
    turn = 0
    while writers > 0:
        record = sources[turn % len(sources)].get()
        turn += 1
        if record is None:
            writers -= 1
        else:
            getattr(tally, add)(record)
    tally.show()


def run_all(o, new_queue, new_runner):
    def queues(n):
        return [new_queue() for _ in range(n)]

    stages = []
    if o.workload in ("chain", "latency"):
        links = queues(o.stages - 1)
        if o.workload == "chain":
            stages.append((produce, records(o), links[:1], None))
        else:
            stages.append((tick, o, links[0]))
        for i in range(o.stages - 2):
            stages.append((pass_on, bytearray, links[i], links[i + 1]))
        stages.append((end, "add" if o.workload == "chain" else "add_delay", links[-1:], 1))
    elif o.workload == "broadcast":
        links = queues(o.readers)
        stages.append((produce, records(o), links, None))
        stages += [(end, "add", [link], 1) for link in links]
    elif o.workload == "jobs":
        # In order: a queue for each worker, dealt and collected in turn.  Else all share one.
        ins = queues(o.workers) if o.order == "input" else queues(1)
        outs = queues(len(ins))
        if o.order == "input":
            stages.append((produce, jobs(o), ins, lambda i, job: i % o.workers))
        else:
            stages.append((produce_shared, jobs(o), ins[0], o.workers))
        for i in range(o.workers):
            stages.append((pass_on, work, ins[i % len(ins)], outs[i % len(outs)]))
        stages.append((end, "add", outs, o.workers))
    elif o.workload == "keyed":
        links = queues(o.workers)
        out = new_queue()
        stages.append((produce, keyed(o), links, lambda i, record: int(record[16:]) % o.workers))
        stages += [(count, link, out) for link in links]
        stages.append((end, "add_text", [out], o.workers))
    runners = [new_runner(target=stage[0], args=stage[1:]) for stage in stages]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()


# The same as tasks of one thread.


async def produce_async(items, outs, deal):
    for i, item in enumerate(items):
        if deal is None:
            for out in outs:
                await out.put(item)
        else:
            await outs[deal(i, item)].put(item)
    for out in outs:
        await out.put(None)


async def tick_async(o, out):
    for due, make in ticks(o):
        early = due - time.monotonic_ns()
        if early > 0:
            await asyncio.sleep(early / 1e9)
        await out.put(make())
    await out.put(None)


async def pass_on_async(source, out):
    while (record := await source.get()) is not None:
        await out.put(bytearray(record))
    await out.put(None)


async def count_async(source, out):
    counts = {}
    while (record := await source.get()) is not None:
        key = record[16:]
        counts[key] = counts.get(key, 0) + 1
    for line in count_lines(counts):
        await out.put(line)
    await out.put(None)


async def end_async(add, source, writers):
    tally = Tally()
    while writers > 0:
        record = await source.get()
        if record is None:
            writers -= 1
        else:
            getattr(tally, add)(record)
    tally.show()


async def run_async(o):
    def queues(n):
        return [asyncio.Queue(QUEUE) for _ in range(n)]

    tasks = []
    if o.workload in ("chain", "latency"):
        links = queues(o.stages - 1)
        if o.workload == "chain":
            tasks.append(produce_async(records(o), links[:1], None))
        else:
            tasks.append(tick_async(o, links[0]))
        tasks += [pass_on_async(links[i], links[i + 1]) for i in range(o.stages - 2)]
        tasks.append(end_async("add" if o.workload == "chain" else "add_delay", links[-1], 1))
    elif o.workload == "broadcast":
        links = queues(o.readers)
        tasks.append(produce_async(records(o), links, None))
        tasks += [end_async("add", link, 1) for link in links]
    elif o.workload == "keyed":
        links = queues(o.workers)
        out = asyncio.Queue(QUEUE)
        tasks.append(
            produce_async(keyed(o), links, lambda i, record: int(record[16:]) % o.workers))
        tasks += [count_async(link, out) for link in links]
        tasks.append(end_async("add_text", out, o.workers))
    await asyncio.gather(*tasks)


def main():
    o = Options(sys.argv[1:])
    if o.mode == "threads":
        run_all(o, lambda: queue.Queue(QUEUE), threading.Thread)
    elif o.mode == "multiprocessing":
        context = multiprocessing.get_context("fork")
        run_all(o, lambda: context.Queue(QUEUE), context.Process)
    elif o.mode == "asyncio" and o.workload != "jobs":
        asyncio.run(run_async(o))
    else:
        print("no such workload here:", *sys.argv[1:], file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
