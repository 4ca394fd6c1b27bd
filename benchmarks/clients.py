# SPDX-License-Identifier: MIT
"""The load clients: wrk for requests, ubench for upgraded connections."""

import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

from measure import ServerProcess, load_cores, on_cores

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / ".build" / "bench"
# Beyond the seconds of the load: handshakes, and a client that is slow to end.
PATIENCE_SECONDS = 90.0


class LoadError(Exception):
    """A load client could not do its work; the text says why."""


@dataclass(frozen=True)
class Sample:
    """One round of a load against one server."""

    operations_per_s: float
    cpu_us: float
    """CPU time of the server's processes for each operation."""
    p50_us: float
    p99_us: float
    rss_kib: int
    """Resident memory after the load, pages that are shared counted in full."""
    pss_kib: int
    """Resident memory after the load, pages that are shared counted in part."""
    per_connection_bytes: float
    """What the memory grew by for each idle upgraded connection; else 0."""
    errors: int


@dataclass(frozen=True)
class Wrk:
    """Requests on kept-alive connections, each sent when the last one is answered."""

    connections: int = 64
    method: str = "GET"
    body_bytes: int = 0
    headers: int = 0
    pipelined: int = 1
    """So many are sent at once."""
    tls: bool = False

    def run(self, server: ServerProcess, seconds: float, speaks: str) -> Sample:
        """Load a server for so long, in whole seconds."""
        scheme = "https" if self.tls else "http"
        command = [
            *("wrk", "--threads", "1", "--connections", str(self.connections)),
            *("--duration", f"{math.ceil(seconds)}s", "--timeout", "30s"),
            *("--script", str(HERE / "wrk.lua")),
            *(f"{scheme}://127.0.0.1:{server.port}/", "--"),
            *(self.method, str(self.body_bytes), str(self.headers)),
            str(self.pipelined),
        ]
        before = server.usage()
        with on_cores(load_cores()):
            result = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=seconds + PATIENCE_SECONDS,
            )
        after = server.usage()
        if result.returncode:
            raise LoadError(f"wrk: {result.stderr or result.stdout}".strip())
        measured = json.loads(result.stdout.splitlines()[-1])
        if self.pipelined > 1:  # wrk takes a batch for a request there
            measured.update(p50_us=0, p99_us=0)
        return _sample(measured, after.cpu_seconds - before.cpu_seconds, server, 0.0)


@dataclass(frozen=True)
class Ubench:
    """Ping-pong on upgraded connections, raw or in WebSocket frames."""

    connections: int = 64
    message_bytes: int = 64
    churn: bool = False
    idle: bool = False

    def run(self, server: ServerProcess, seconds: float, speaks: str) -> Sample:
        """Load a server for so long, or, if idle, only look at its memory."""
        command = [
            *(str(BUILT / "ubench"), speaks, str(server.port)),
            *(str(self.connections), str(self.message_bytes)),
            *("0" if self.idle else str(seconds), *["churn"] * self.churn),
        ]
        before = server.usage()
        with (
            on_cores(load_cores()),
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as client,
        ):
            return self._converse(client, server, before.pss_kib)

    def _converse(
        self, client: "subprocess.Popen[str]", server: ServerProcess, pss_kib: int
    ) -> Sample:
        assert client.stdin
        assert client.stdout
        assert client.stderr
        if client.stdout.readline() != "ready\n":
            raise LoadError(client.stderr.read().strip())
        ready = server.usage()
        client.stdin.write("\n")
        client.stdin.flush()
        line = client.stdout.readline()
        if not line:
            raise LoadError(client.stderr.read().strip())
        cpu = server.usage().cpu_seconds - ready.cpu_seconds
        grown = (ready.pss_kib - pss_kib) * 1024 / self.connections if self.idle else 0
        return _sample(json.loads(line), cpu, server, grown)


def _sample(
    measured: dict[str, float], cpu: float, server: ServerProcess, grown: float
) -> Sample:
    usage = server.usage()
    operations = int(measured["operations"])
    return Sample(
        operations_per_s=operations / max(measured["seconds"], 1e-6),
        cpu_us=cpu / operations * 1e6 if operations else 0.0,
        p50_us=measured["p50_us"],
        p99_us=measured["p99_us"],
        rss_kib=usage.rss_kib,
        pss_kib=usage.pss_kib,
        per_connection_bytes=grown,
        errors=int(measured["errors"]),
    )
