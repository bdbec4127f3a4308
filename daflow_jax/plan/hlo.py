"""Reads a compiled program's text: products, exchanges between devices, and large buffers.

XLA's own cost analysis counts the body of a loop once and a kernel not at all, and names no mesh
axis; the text tells both. One device's program is read.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from daflow_jax.plan import groups, megascale, products

_BYTES = {"pred": 1, "bf16": 2, "f16": 2, "f32": 4, "f64": 8, "c64": 8, "c128": 16}
_ARRAY = re.compile(r"\b(pred|bf16|c64|c128|f8\w*|[fsu]\d+)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.+?) ([a-z][\w\-]*)\((.*)$", re.S)
_CALLS = re.compile(
    r"\b(calls|body|condition|to_apply|true_computation|false_computation)=%?([\w.\-]+)"
)
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_COUNT = re.compile(r"^(\d+)\)")
_ELEMENT = re.compile(r"\bindex=(\d+)")
COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "reduce-scatter",
    "all-to-all",
    "ragged-all-to-all",
    "collective-permute",
)


class Instruction(NamedTuple):
    """One line of a computation: `%name = type opcode(operands), attributes`."""

    name: str
    type: str
    opcode: str
    rest: str


class Collective(NamedTuple):
    """Exchanges of one kind over the same mesh axes in one step: how many, and the bytes that one
    device sends."""

    kind: str
    axes: tuple[str, ...]
    count: int
    bytes: float


class Buffer(NamedTuple):
    """A large array that an instruction of one device makes."""

    shape: str
    bytes: int
    made_by: str


class Program:
    """A compiled program of one device.

    Attributes:
        computations: {name: its instructions}, callees first.
        runs: {name: how often the computation runs in one call of the program}.
    """

    def __init__(self, text: str):
        self.computations: dict[str, list[Instruction]] = {}
        self.entry = ""
        for name, is_entry, instructions in _computations(text):
            self.computations[name] = instructions
            self.entry = name if is_entry else self.entry
        self.runs = self._count_runs()

    def _count_runs(self) -> dict[str, int]:
        runs = dict.fromkeys(self.computations, 0)
        runs[self.entry] = 1
        for name in reversed(self.computations):
            for instruction in self.computations[name]:
                for callee, times in self._callees(instruction):
                    runs[callee] = runs.get(callee, 0) + runs[name] * times
        return runs

    def _callees(self, instruction: Instruction) -> Iterator[tuple[str, int]]:
        called = _CALLS.findall(instruction.rest)
        times = 1
        if instruction.opcode == "while":
            times = self._trips(instruction, **dict(called))
        yield from ((name, times) for _, name in called)
        for listed in _BRANCHES.findall(instruction.rest):
            yield from ((name.strip().lstrip("%"), 1) for name in listed.split(","))

    def _trips(self, loop: Instruction, condition: str, body: str) -> int:
        """Returns how often a loop runs: as noted, or the one number that its end is tested with
        over the step of its counter (loops of known length count from zero, by 2 where the
        compiler unrolled them); 1 if there is none."""
        noted = _TRIPS.search(loop.rest)
        if noted:
            return int(noted[1])
        test = self.computations.get(condition, [])
        ends = [number for x in test if (number := _constant(x)) is not None]
        counters = [int(i[1]) for x in test if (i := _ELEMENT.search(x.rest))]
        if len(ends) != 1 or len(counters) != 1:
            return 1
        return -(-ends[0] // self._step(body, counters[0]))

    def _step(self, body: str, counter: int) -> int:
        """Returns by how much a loop's body raises one of its variables, 1 if that is not plain."""
        lines = {x.name: x for x in self.computations[body]}
        raised = lines.get(_operands(self.computations[body][-1])[counter])
        terms = _operands(raised) if raised is not None and raised.opcode == "add" else []
        steps = [n for x in terms if x in lines and (n := _constant(lines[x])) is not None]
        return steps[0] if len(steps) == 1 else 1

    def flops(self) -> dict[str, float]:
        """Returns the FLOPs of matrix products and convolutions by the format of their first input
        ("bf16", "s8"), as the compiler left it; kernels are not looked into."""
        total: dict[str, float] = {}
        for name, instructions in self.computations.items():
            made = [x for x in instructions if products.kind(x)]
            if not made or not self.runs[name]:
                continue
            shapes = {x.name: shape(x.type) for x in instructions}
            formats = {x.name: x.type.lstrip("(").partition("[")[0] for x in instructions}
            for x in made:
                left, *others = _operands(x)
                given = [shapes[operand] for operand in (left, *others)]
                done = 2.0 * self.runs[name] * products.count(x, shape(x.type), given)
                total[formats[left]] = total.get(formats[left], 0.0) + done
        return total

    def collectives(self, axes: dict[str, int]) -> list[Collective]:
        """Returns what devices exchange on a mesh of these axis sizes, most bytes first.

        Pieces of one exchange that the compiler wove into several computations count once. What
        slices exchange is over the axis "dcn".
        """
        seen: dict[str, tuple[str, tuple[str, ...], int, float]] = {}
        for name, instructions in self.computations.items():
            between = megascale.exchanges(instructions, lambda text: max(_sizes(text), default=0))
            for key, (kind, whole) in between.items() if self.runs[name] else ():
                times = max(self.runs[name], seen[key][2] if key in seen else 0)
                seen[key] = kind, ("dcn",), times, whole * _share(kind, axes.get("dcn", 1))
            for x in instructions:
                kind = x.opcode.removesuffix("-start")
                if kind not in COLLECTIVES or not self.runs[name]:
                    continue
                channel = re.search(r"\bchannel_id=(\d+)", x.rest)
                members = groups.parse(x.rest)
                over = groups.axes(members, axes)
                sent = _sent(kind, x, members)
                key = f"{kind} {channel[1] if channel else x.name}"
                times = max(self.runs[name], seen[key][2] if key in seen else 0)
                seen[key] = kind, over, times, sent
        return _summed(seen.values())

    def largest(self, count: int = 5) -> list[Buffer]:
        """Returns the largest arrays outside of fused code, one per shape."""
        inside = {
            name
            for instructions in self.computations.values()
            for x in instructions
            if x.opcode == "fusion"
            for kind, name in _CALLS.findall(x.rest)
        }
        found: dict[str, Buffer] = {}
        for name, instructions in self.computations.items():
            if name in inside or not self.runs[name]:
                continue
            for x in instructions:
                if x.type.startswith("(") or x.opcode in ("parameter", "bitcast", "constant"):
                    continue
                made_by = re.search(r'op_name="([^"]*)"', x.rest)
                label = x.type.split("{")[0]
                found.setdefault(label, Buffer(label, size(x.type), made_by[1] if made_by else ""))
        return sorted(found.values(), key=lambda x: -x.bytes)[:count]


def _computations(text: str) -> Iterator[tuple[str, bool, list[Instruction]]]:
    name, is_entry, lines = None, False, []
    for line in text.splitlines():
        start = _COMPUTATION.match(line)
        if start:
            name, is_entry, lines = start[2], bool(start[1]), []
        elif line == "}" and name is not None:
            yield name, is_entry, [x for raw in lines if (x := _instruction(raw))]
            name = None
        elif name is not None and line.startswith("  ") and " = " in line:
            lines.append(line)
        elif lines:  # attributes of kernels go on in the next line
            lines[-1] += line


def _instruction(line: str) -> Instruction | None:
    match = _INSTRUCTION.match(line)
    return Instruction(*match.groups()) if match else None


def shape(text: str) -> tuple[int, ...]:
    """Returns the dimensions of the first array of an HLO type, () if there is none."""
    match = _ARRAY.search(text)
    return tuple(int(n) for n in match[2].split(",")) if match and match[2] else ()


def size(text: str) -> int:
    """Returns the bytes of all arrays of an HLO type, without the padding of its layout."""
    total = 0
    for kind, dims in _ARRAY.findall(text):
        width = _BYTES.get(kind) or (1 if kind.startswith("f8") else int(kind[1:]) / 8)
        total += width * math.prod(int(n) for n in dims.split(",") if n)
    return int(total)


def _constant(x: Instruction) -> int | None:
    number = _COUNT.match(x.rest) if x.opcode == "constant" else None
    return int(number[1]) if number else None


def _operands(instruction: Instruction) -> list[str]:
    return re.findall(r"%([\w.\-]+)", instruction.rest.split(")")[0])


def _sent(kind: str, x: Instruction, members: np.ndarray) -> float:
    """Returns the bytes that one device sends, each piece once over the shortest way."""
    ways, arrays = members.shape[1], _sizes(x.type)
    whole = max(arrays) if x.opcode.endswith("-start") and kind != "all-reduce" else sum(arrays)
    if kind == "reduce-scatter":  # its type is that of a part
        whole *= ways
    return whole * _share(kind, ways)


def _share(kind: str, ways: int) -> float:
    """Returns how much of a whole array one of `ways` devices sends."""
    if kind == "collective-permute":
        return 1.0
    return (2 if kind == "all-reduce" else 1) * (ways - 1) / ways


def _sizes(text: str) -> list[int]:
    return [size(match[0]) for match in _ARRAY.finditer(text)]


def _summed(found) -> list[Collective]:
    totals: dict[tuple[str, tuple[str, ...]], tuple[int, float]] = {}
    for kind, over, times, sent in found:
        count, total = totals.get((kind, over), (0, 0.0))
        totals[kind, over] = count + times, total + times * sent
    rows = [Collective(kind, over, *numbers) for (kind, over), numbers in totals.items() if over]
    return sorted(rows, key=lambda row: -row.bytes)
