"""Archives of advisories, as vendors and as attackers pack them."""

import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

Record = dict[str, Any]


def zipped(records: Iterable[Record]) -> bytes:
    """Return a zip of records, each under its id."""
    return zip_of({f"{record.get('id', 'x')}.json": json.dumps(record).encode() for record in records})


def zip_of(documents: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in documents.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(records: Iterable[Record], mode: str = "w:xz") -> bytes:
    return tar_of({f"osv/{record.get('id', 'x')}.json": json.dumps(record).encode() for record in records}, mode)


def tar_of(documents: Mapping[str, bytes], mode: str = "w:xz") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]  # typeshed lists the modes
        for name, content in documents.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return target.getvalue()


def record(id_: str, *affected: Record, **fields: object) -> Record:
    return {"schema_version": "1.7.0", "id": id_, "modified": "2025-01-01T00:00:00Z", "affected": affected, **fields}


def entry(ecosystem: str, name: str, *turns: Record, versions: Iterable[str] = (), **fields: object) -> Record:
    """Return an entry of `affected` with one range, if it has any turns."""
    ranges = [{"type": "ECOSYSTEM", "events": turns}] if turns else []
    package = {"ecosystem": ecosystem, "name": name}
    return {"package": package, "ranges": ranges, "versions": list(versions), **fields}


def until(fixed: str, introduced: str = "0") -> tuple[Record, Record]:
    return {"introduced": introduced}, {"fixed": fixed}


BAD_ARCHIVES: Mapping[str, bytes] = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html><body>503 Service Unavailable</body></html>",
    "json": b'{"error": 503}',
    "binary": bytes(range(256)) * 8,
    "no records": zip_of({}),
    "another zip": zip_of({"../../etc/passwd": b"root", "README": b"?"}),
    "zip cut off": zipped([record(f"A-{number}") for number in range(50)])[:-300],
    "zip cut off in the beginning": zipped([record(f"A-{number}") for number in range(50)])[300:],
    "only its magic": b"PK\x03\x04",
    "tar cut off": tarred([record(f"A-{number}") for number in range(50)], "w")[:5000],
    "xz cut off": tarred([record(f"A-{number}") for number in range(50)])[:-30],
    "no records in a tar": tar_of({}),
    "utf-16": json.dumps(record("A-1")).encode("utf-16"),
}
"""What a feed that reads an archive has to refuse."""
