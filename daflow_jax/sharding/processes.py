"""Many processes as one run: they start together, agree, and end together.

JAX's own service starts them and notices machines that fall silent. A line of ours between process
0 and each other one notices at once that a process has ended, and carries why.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from daflow_jax import errors

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
FLAGS = ("--coordinator", "--processes", "--process")
PATIENCE = 60  # seconds without a sign of life after which a process counts as dead [choice]
ARRIVAL = 5  # times PATIENCE: how long the first process waits for the last [choice]


class Told(errors.UserError):
    """An error that process 0 has reported already."""


def start(
    coordinator: str | None = None,
    processes: int | str | None = None,
    process: int | str | None = None,
    patience: int = PATIENCE,
) -> None:
    """Joins this process to the others of its run; call it before anything touches a device.

    What is not given is taken from JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID. With
    none of the three, a TPU VM, GKE, SLURM or Open MPI tells them; where there is none of these
    either, and with `processes=1`, the run is one process. Raises UserError for settings that are
    partial or impossible, and with code 3 where the others cannot be reached.
    """
    address, count, index = _settings(coordinator, processes, process)
    if count == 1 and address is None:
        return
    explicit, wait = address is not None, ARRIVAL * patience
    late = threading.Timer(wait, _end, (3, f"not all processes of the run came within {wait} s"))
    late.daemon = True
    late.start()
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from us
    try:
        jax.distributed.initialize(
            address,
            count,
            index,
            cluster_detection_method="deactivate" if explicit else None,
            initialization_timeout=2 * wait,  # JAX ends the process with a stack trace
            heartbeat_timeout_seconds=2 * patience,  # the same
            shutdown_timeout_seconds=patience,
        )
    except ValueError as error:
        late.cancel()
        if not explicit and "coordinator_address should be defined" in str(error):
            return  # no cluster: one process
        raise errors.UserError("jax.distributed", _brief(error)) from error
    except RuntimeError as error:
        where = f"process {index} of {count} at {address}" if explicit else "the cluster's settings"
        remedy = "Start every process with the same address, reachable by all, within the wait"
        raise errors.UserError(where, f"could not join: {_brief(error)}", remedy, 3) from error
    if jax.distributed.is_initialized():
        _join(patience)
    late.cancel()


def _settings(coordinator, processes, process) -> tuple[str | None, int | None, int | None]:
    given = [coordinator, processes, process]
    read = [os.environ.get(name) or None for name in VARIABLES]
    address, count, index = (a if a is not None else b for a, b in zip(given, read, strict=True))
    if (address, count, index) == (None, None, None):
        return None, None, None
    count, index = _whole(1, count), _whole(2, index)
    if count == 1 and address is None:
        return None, 1, 0
    pairs = zip(FLAGS, VARIABLES, (address, count, index), strict=True)
    missing = [f"{flag} (or {name})" for flag, name, value in pairs if value is None]
    if address is None or count is None or index is None:
        remedy = "Give all three, or none on a cluster that JAX knows"
        raise errors.UserError(" and ".join(missing), "is missing", remedy)
    if not address.rpartition(":")[0] or not address.rpartition(":")[2].isdigit():
        remedy = "Write HOST:PORT, the same for all"
        raise errors.UserError(FLAGS[0], f"{address!r} is not an address", remedy)
    if not 0 <= index < count:
        rule = f"{index} of {count} processes"
        raise errors.UserError(FLAGS[2], rule, f"They count from 0 to {count - 1}")
    return address, count, index


def _whole(place: int, value: int | str | None) -> int | None:
    if value is None:
        return None
    try:
        return int(value)
    except ValueError as error:
        where = f"{FLAGS[place]} (or {VARIABLES[place]})"
        raise errors.UserError(where, f"{value!r} is not a whole number") from error


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def is_main() -> bool:
    """Returns whether this process talks and writes: process 0."""
    return jax.process_index() == 0


def gather(value: Any) -> list[Any]:
    """Returns the JSON-able `value` of every process, in their order; all must call it."""
    if jax.process_count() == 1:
        return [value]
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    longest = int(multihost_utils.process_allgather(np.int32(len(text))).max())
    padded = np.pad(text, (0, longest - len(text)), constant_values=ord(" "))
    return [json.loads(bytes(row)) for row in multihost_utils.process_allgather(padded)]


def on_main(function: Callable[[], Any]) -> Any:
    """Returns on every process what `function` returns (JSON-able) on process 0, where alone it
    runs; its UserError is raised everywhere. All must call it.
    """
    if jax.process_count() == 1:
        return function()
    value, error = None, None
    if is_main():
        try:
            value = function()
        except errors.UserError as caught:
            error = caught
    told = None if error is None else [error.where, error.rule, error.remedy, error.code]
    value, told = gather([value, told])[0]
    if error is not None:
        raise error
    if told is not None:
        raise Told(*told)
    return value


class Vote:
    """Asks after every step for the largest number that a process holds, without waiting: the
    answer, the same everywhere, is that to the question `delay` steps ago (0 before).
    """

    def __init__(self, mesh: Mesh, delay: int):
        flat = Mesh(mesh.devices.reshape(-1), ("all",))
        self._place = NamedSharding(flat, PartitionSpec("all"))
        whole = NamedSharding(flat, PartitionSpec())
        self._largest = jax.jit(jnp.max, out_shardings=whole)
        self._delay, self._local = delay, len(flat.local_devices)
        self._asked: deque[jax.Array] = deque()

    def __call__(self, number: int) -> int:
        """Returns the answer; in a run of one process that is `number`."""
        if jax.process_count() == 1:
            return number
        mine = np.full(self._local, number, np.int32)
        placed = jax.make_array_from_process_local_data(self._place, mine)
        self._asked.append(self._largest(placed))
        return int(self._asked.popleft()) if len(self._asked) > self._delay else 0


class _Line:
    """The sockets between process 0 and the others; each is read by a thread of its own."""

    def __init__(self, index: int, patience: int):
        self.index, self.over, self._patience = index, False, patience
        self._peers: dict[int, socket.socket] = {}
        threading.Thread(target=self._beat, daemon=True).start()

    def listen(self, count: int, server: socket.socket) -> None:
        """Takes the calls of the other processes (process 0)."""
        for _ in range(count - 1):
            peer, _ = server.accept()
            self._watch(int.from_bytes(peer.recv(4, socket.MSG_WAITALL)), peer)
        server.close()

    def call(self, host: str, port: int) -> None:
        """Calls process 0 (the others)."""
        peer = socket.create_connection((host, port), timeout=self._patience)
        peer.sendall(self.index.to_bytes(4))
        self._watch(0, peer)

    def _watch(self, number: int, peer: socket.socket) -> None:
        peer.settimeout(self._patience)
        self._peers[number] = peer
        threading.Thread(target=self._read, args=(number, peer), daemon=True).start()

    def _read(self, number: int, peer: socket.socket) -> None:
        who, code, why = number, 3, "is gone. Run the same command again to resume"
        try:
            text = next((line for line in peer.makefile() if line.strip()), "")
            who, code, why = json.loads(text) if text else (who, code, why)
        except TimeoutError:
            why = f"was silent for {self._patience} s. Run the same command again to resume"
        except OSError:  # a reset is an end as well
            pass
        if not self.over:
            self.over = True
            self.tell(who, code, why)
            _end(code, f"process {who} {why}")

    def _beat(self) -> None:
        while True:
            time.sleep(self._patience / 4)
            self._send(self._peers, b"\n")

    def tell(self, who: int, code: int, why: str) -> None:
        """Tells every process at the other end of a line who ended, and why."""
        others = {number: peer for number, peer in self._peers.items() if number != who}
        self._send(others, json.dumps([who, code, why]).encode() + b"\n")

    def _send(self, peers: dict[int, socket.socket], text: bytes) -> None:
        for peer in list(peers.values()):
            with contextlib.suppress(OSError):  # its reader notices
                peer.sendall(text)


_line: _Line | None = None


def _join(patience: int) -> None:
    """Connects this process with process 0, where JAX's service is."""
    global _line
    from jax._src import distributed as internal  # the store of keys has no public name

    state = internal.global_state
    client, address, index, count = (
        state.client,
        state.coordinator_address,
        state.process_id,
        state.num_processes,
    )
    if count == 1 or client is None or address is None:
        return
    _line = _Line(index, patience)
    if index == 0:
        server = _server(count)
        client.key_value_set("daflow/line", str(server.getsockname()[1]))
        threading.Thread(target=_line.listen, args=(count, server), daemon=True).start()
        return
    host = address.rpartition(":")[0].strip("[]")
    port = int(client.blocking_key_value_get("daflow/line", 1000 * ARRIVAL * patience))
    try:
        _line.call(host, port)
    except OSError as error:
        remedy = "Open the ports between the machines of the run"
        raise errors.UserError(
            f"{host}:{port}", f"cannot be reached: {error}", remedy, 3
        ) from error


def _server(count: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        family = socket.AF_INET6
        return socket.create_server(("", 0), family=family, backlog=count, dualstack_ipv6=True)
    return socket.create_server(("", 0), backlog=count)


def leave(code: int, why: str) -> None:
    """Ends this process at once with `code` if it is one of several, and tells the others, which
    end too; returns in a run of one process.
    """
    if _line is None:
        return
    _line.over = True
    _line.tell(_line.index, code, f"stopped: {why}")
    _exit(code)


def await_news() -> None:
    """Waits a moment for word that another process has ended, which ends this one too."""
    if _line is not None:
        time.sleep(2)


def stop() -> None:
    """Ends this process's part of a run that went well, together with the others."""
    if _line is None:
        return
    _line.over = True
    multihost_utils.sync_global_devices("the end")
    jax.distributed.shutdown()


def _end(code: int, text: str) -> NoReturn:
    sys.stderr.write(f"daflow: error: {text}\n")  # at once: the main thread may be writing too
    _exit(code)


def _exit(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a proper exit would wait for the others, who wait for us
