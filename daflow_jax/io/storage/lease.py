"""A claim on a place in a store: an object that its holder renews, and others see grow old.

The object is made on the condition that there is none (generation 0), and written again every
`BEAT` seconds on the condition that it is still the one that was written before: two processes
never both succeed. Nobody compares clocks. Who finds an object watches it: a new generation within
`TERM` seconds is a living holder, and none is a dead one, whose object is then taken over on the
same condition. Where the holder ran on the same machine and is gone, nobody waits.

A holder that was silent for longer than `TERM` (a suspended machine) and finds its claim taken ends
its process at once, before it can write anything more.
"""

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from daflow_jax.errors import UserError
from daflow_jax.io.storage import faults, places
from daflow_jax.io.storage.places import Place

BEAT = 10.0  # [choice] seconds between signs of life
TERM = 60.0  # [choice] seconds without one after which a claim is void
_REMEDY = "Wait for it, stop it, or name another folder"


@contextlib.contextmanager
def hold(lock: Place, log: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Keeps every other process from `lock` while the block lasts.

    Args:
        lock: the object, gs:// only. log: told once where a dead holder has to be waited for.

    Raises UserError: code 2 where another process holds it, 3 where the store does not answer.
    """
    if not os.fspath(lock).startswith("gs://"):
        rule = "cannot be claimed: only gs:// has the preconditions that a claim needs"
        raise UserError(lock, rule, "Use a gs:// folder, or one of this machine")
    claim = _Claim(lock)
    with faults.explained(lock):
        claim.take(log)
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(claim, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(BEAT)
        with contextlib.suppress(Exception):  # it becomes void by itself
            claim.drop()


def _renew(claim: "_Claim", over: threading.Event) -> None:
    while not over.wait(BEAT):
        try:
            claim.renew()
        except UserError as error:
            if not over.is_set():
                sys.stderr.write(f"daflow: error: {error}\n")
                sys.stderr.flush()
                os._exit(3)  # nothing more may be written
        except Exception:  # noqa: BLE001 - out of reach for us, and so for others
            continue


class _Claim:
    def __init__(self, lock: Place):
        self._lock, self._generation = lock, 0
        self._bucket, self._name = places.split(lock)
        self._text = f"{socket.gethostname()} pid {os.getpid()}\n{json.dumps(_identity())}\n"

    def take(self, log: Callable[[str], None]) -> None:
        """Makes the object, or takes over that of a dead holder."""
        told, watched, since = False, None, time.monotonic()
        while not self._put(watched or 0 if _expired(watched, since) else 0):
            found = self._look()
            if found is None:  # it was given up just now
                watched = None
                continue
            generation, text = found
            holder = text.partition("\n")[0] or "another process"
            if _is_dead(text):
                watched, since = generation, -float("inf")
            elif watched is None:
                watched, since = generation, time.monotonic()
            elif generation != watched:
                raise UserError(self._lock.parent, f"in use by {holder}", _REMEDY)
            if not _expired(watched, since):
                if not told:
                    told = True
                    log(f"held by {holder}: waiting {TERM:.0f} s for a sign of life")
                time.sleep(min(1.0, BEAT / 5))

    def renew(self) -> None:
        """Writes the object again; UserError if it is not ours any more."""
        if not self._put(self._generation):
            found = self._look()
            holder = found[1].partition("\n")[0] if found else "nobody; it was removed"
            rule = f"the claim of this process was lost; held by {holder}"
            raise UserError(self._lock.parent, rule, "Stop one of the two runs", 3)

    def drop(self) -> None:
        """Removes the object."""
        condition = {"ifGenerationMatch": str(self._generation)}
        places.client().call("DELETE", "b/{}/o/{}", self._bucket, self._name, **condition)

    def _look(self) -> tuple[int, str] | None:
        """Returns (generation, content), None where there is no object."""
        client = places.client()
        try:
            info = client.call("GET", "b/{}/o/{}", self._bucket, self._name, json_out=True)
            return int(info["generation"]), client.cat_file(str(self._lock)).decode()
        except FileNotFoundError:
            return None

    def _put(self, generation: int) -> bool:
        """Returns whether the object of this generation (0: none) was replaced by ours."""
        client, mark = places.client(), secrets.token_hex(16)
        head = json.dumps({"name": self._name})
        body = (
            f"--{mark}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{head}\r\n"
            f"--{mark}\r\nContent-Type: text/plain\r\n\r\n{self._text}\r\n--{mark}--"
        )
        url = f"{client._location}/upload/storage/v1/b/{{}}/o"
        kind = {"Content-Type": f"multipart/related; boundary={mark}"}
        options = {"uploadType": "multipart", "ifGenerationMatch": str(generation)}
        try:
            made = client.call(
                "POST",
                url,
                self._bucket,
                headers=kind,
                data=body.encode(),
                json_out=True,
                **options,
            )
            self._generation = int(made["generation"])
            return True
        except FileExistsError:  # the condition does not hold
            found = self._look()
            if found is None or found[1] != self._text:
                return False
            self._generation = found[0]  # ours: the answer to an earlier try was lost
            return True


def _expired(watched: int | None, since: float) -> bool:
    return watched is not None and time.monotonic() - since >= TERM


def _identity() -> dict[str, Any]:
    """Returns what names this process among all that this kernel has run, and a token of its
    own."""
    token = secrets.token_hex(8)
    return {**_kernel(), "pid": os.getpid(), "born": _born(os.getpid()), "token": token}


def _kernel() -> dict[str, str]:
    """Returns the boot of this machine and the space of its process numbers; {} where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"boot": boot, "space": os.readlink("/proc/self/ns/pid")}
    except OSError:
        return {}


def _born(pid: int) -> str:
    """Returns when a process was started, in ticks since the boot; "" for one that is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _is_dead(text: str) -> bool:
    """Returns whether the holder that wrote `text` is known to be gone: it ran on this kernel."""
    try:
        found = json.loads(text.partition("\n")[2])
        kernel = _kernel()
        same = bool(kernel) and all(found[key] == kernel[key] for key in kernel)
        return same and _born(int(found["pid"])) != found["born"]
    except (ValueError, KeyError, TypeError):
        return False
