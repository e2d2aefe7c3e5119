"""Which processes of the local stack run, and how are they started and stopped?

Each process holds a lock on its own file for as long as it lives, and the file says its process id. So a process is
known to be ours (an id alone may have been given to another one since), without asking the system for a list.
"""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
PASSED_ON = (
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    # the way to the vendors' feeds, where a proxy stands in it
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "https_proxy",
    "http_proxy",
)
"""What children see of our environment: functions inherit the emulator's, and AWS settings must not leak into them."""


class StackError(Exception):
    """The local stack cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the local stack: `port` is where it listens, `log` where its output goes."""

    name: str
    port: int
    lock: Path
    log: Path

    @property
    def address(self) -> str:
        """Return where it listens, as host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Return its process id while it runs."""
        try:
            with self.lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(self.lock.read_text())
        except FileNotFoundError:
            return None
        return None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the command, which outlives us, and wait until its port answers."""
        if answers(self.port):
            raise StackError(
                f"port {self.port} is taken by a program that is not ours, so {self.name} cannot listen there: "
                "stop that program, or choose another port with --port"
            )
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.lock.open("w") as lock, self.log.open("ab") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)
            started = subprocess.Popen(  # noqa: S603 (the commands are ours)
                command,
                env={**inherited(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],  # the lock goes with the child
                start_new_session=True,  # an interrupt at our terminal is not meant for it
            )
            lock.write(str(started.pid))
        wait_for(
            lambda: answers(self.port) or started.poll() is not None, f"{self.name} to listen at {self.address}", 30
        )
        if started.poll() is not None:
            raise StackError(f"{self.name} ended at once with status {started.returncode}: see {self.log}")

    def stop(self) -> bool:
        """End it, politely at first; return whether it ran."""
        for sent, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
            pid = self.pid
            if pid is None:
                return sent is signal.SIGKILL
            os.kill(pid, sent)
            deadline = time.monotonic() + patience
            while self.pid is not None and time.monotonic() < deadline:
                time.sleep(0.02)
        return True


def inherited() -> dict[str, str]:
    """Return the part of our environment that children see."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    local = f"{LOOPBACK},localhost"
    return passed | {"NO_PROXY": local, "no_proxy": local}


def answers(port: int) -> bool:
    """Say whether something listens at a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Return as soon as the condition holds. Raises `StackError` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StackError(f"waited {seconds:.0f} seconds in vain for {what}")
        time.sleep(0.05)
