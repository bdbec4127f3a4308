"""What slices exchange over the data center's network, read from a TPU program for several.

The compiler splits such an exchange: parts inside of a slice stay collectives, and the part between
slices becomes a pair of transfers to the host, `send` and `recv`, with its kind in attributes.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

_KIND = re.compile(r'_xla_megascale_transfer_type="(\w+)"')
_NAME = re.compile(r'_xla_host_transfer_rendezvous="([^"]*)"')


def exchanges(
    instructions: Iterable[Any], largest: Callable[[str], int]
) -> dict[str, tuple[str, int]]:
    """Returns {name: (kind, bytes)} of the exchanges between slices among a computation's lines.

    kind: as HLO calls the collective, "all-reduce". bytes: of its whole array, the larger of what
    a device hands over and takes. largest: HLO type -> bytes of its largest array.
    """
    found: dict[str, tuple[str, int]] = {}
    for x in instructions:
        kind = _KIND.search(x.rest) if x.opcode in ("send", "recv") else None
        if kind is None:
            continue
        name = _NAME.search(x.rest)
        key = name[1] if name else x.name
        before = found.get(key, ("", 0))[1]
        found[key] = kind[1].lower().replace("_", "-"), max(before, largest(x.type))
    return found
