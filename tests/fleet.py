"""A small fleet in memory: genuine databases in images, genuine feed excerpts loaded, indexed by the real use cases."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eclair.adapters.documents import FolderDocuments
from eclair.application import Application, MemoryPorts, Settings, in_memory
from eclair.model import Hint, HintKind, RefreshRequest, Repository, StatementChange
from tests.registry_in_memory import MemoryRegistry

SAMPLES = Path(__file__).parent / "samples"
NOW = 1_750_000_000.0
SHOP = Repository("registry.example.com/shop/cart")
SETTINGS = Settings(registries=("registry.example.com",), webhook_secret="a secret of the operator")

DEBIAN = {"usr/lib/os-release": "distribution/debian-12/usr/lib/os-release"}
DPKG = {"var/lib/dpkg/status": "dpkg/status"}
ALPINE = {
    "etc/os-release": "distribution/alpine-3.20.3/etc/os-release",
    "lib/apk/db/installed": "apk/installed",
}


class Fleet:
    """The application over memory, with the registry that tests push to and the time that they set."""

    def __init__(self) -> None:
        self.now = NOW
        self.registry = MemoryRegistry()
        self.ports = MemoryPorts(registry=self.registry, documents=FolderDocuments(SAMPLES / "feeds" / "mirror-1"))
        self.application: Application = in_memory(self.ports, SETTINGS, clock=lambda: self.now)

    def with_ports(self, **ports: Any) -> Application:
        """Return the application over the same memory, but for the ports that are given."""
        return in_memory(replace(self.ports, **ports), SETTINGS, clock=lambda: self.now)

    def push(self, repository: Repository, tag: str) -> None:
        """Tell of a pushed tag, and index what that queues."""
        self.application.push(Hint(kind=HintKind.PUSHED, repository=repository, time=self.now, tag=tag))
        self.index()

    def index(self) -> None:
        """Index what is queued."""
        while self.ports.queues.indexed:
            self.application.index(self.ports.queues.indexed.pop(0))

    def load(self, feed: str, part: str = "") -> None:
        """Load a feed (or one part of it), and judge the sets that this concerns."""
        self.ports.advisories.listen = self._match
        self.application.refresh(RefreshRequest(feed=feed, part=part))
        while self.ports.queues.refreshed:
            self.application.refresh(self.ports.queues.refreshed.pop(0))
        while self.ports.queues.judged:
            self.application.judge(self.ports.queues.judged.pop(0))

    def _match(self, change: StatementChange) -> None:
        self.application.match([change])


def layer(files: Mapping[str, str]) -> bytes:
    """Return a tar.gz with samples as files."""
    return packed({path: (SAMPLES / sample).read_bytes() for path, sample in files.items()})


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz with these files, the same each time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)
