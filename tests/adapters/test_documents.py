"""Documents come from a vendor, a mirror or a cache: real sockets and real files, no network."""

import errno
import gzip
import io
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from eclair.adapters import http_documents
from eclair.adapters.documents import CachedDocuments, FolderDocuments, documents, mirrored
from eclair.adapters.http_documents import HttpDocuments
from eclair.errors import BadFeed, BadReference, Forbidden, NotFound, Unavailable
from eclair.model import Fingerprint
from eclair.ports import Documents

URL = "https://vendor.example/feed/main.json"
PATH = "/vendor.example/feed/main.json"
NOW = 1_790_000_000.0
DATE = "Sat, 04 Jan 2025 10:00:00 GMT"


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    announced: int | None = None


class Vendor:
    """A web server that gives the answers it was told, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.asked.append((self.path, dict(self.headers)))
                answer = vendor.answers.pop(0) if len(vendor.answers) > 1 else vendor.answers[0]
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(answer.announced or len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def http(vendor: Vendor, waits: list[float]) -> HttpDocuments:
    return over_http(vendor, sleep=waits.append)


def over_http(vendor: Vendor, **options: Any) -> HttpDocuments:
    return HttpDocuments(
        place=lambda url: mirrored(url, vendor.url),
        private=frozenset({"127.0.0.1"}),
        **{"clock": lambda: NOW, "sleep": lambda seconds: None, **options},
    )


def marked(body: bytes, etag: str = "", last_modified: str = "") -> Fingerprint:
    return Fingerprint(url=URL, etag=etag, last_modified=last_modified, digest=sha256(body).hexdigest())


def read(source: Documents, known: Fingerprint | None = None, url: str = URL) -> tuple[bytes, Fingerprint] | None:
    with source.fetch(url, known) as fetched:
        return None if fetched is None else (fetched.stream.read(), fetched.fingerprint)


# --- HTTP ------------------------------------------------------------------------------------------------------------


def test_a_document_comes_with_what_the_server_said_of_it(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(headers={"ETag": '"1"', "Last-Modified": DATE}, body=b"[1]")]
    assert read(http) == (b"[1]", marked(b"[1]", '"1"', DATE))
    assert vendor.asked[0][0] == PATH
    assert not {"If-None-Match", "If-Modified-Since"} & set(vendor.asked[0][1])


def test_an_unchanged_document_costs_one_conditional_request(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(status=304, body=b"")]
    known = Fingerprint(url=URL, etag='"1"', last_modified=DATE)
    assert read(http, known) is None
    [(_, headers)] = vendor.asked
    assert (headers["If-None-Match"], headers["If-Modified-Since"]) == (known.etag, known.last_modified)


def test_a_server_that_ignores_conditions_but_repeats_the_etag_means_unchanged(
    vendor: Vendor, http: HttpDocuments
) -> None:
    vendor.answers = [Answer(headers={"ETag": '"1"'})]
    assert read(http, Fingerprint(url=URL, etag='"1"')) is None
    assert read(http, Fingerprint(url=URL, etag='"0"')) == (b"{}", marked(b"{}", '"1"'))


def test_a_server_without_validators_costs_a_download_and_a_comparison(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(body=b"[1]"), Answer(body=b"[1]"), Answer(body=b"[2]")]
    first = read(http)
    assert first == (b"[1]", marked(b"[1]"))
    assert read(http, first[1]) is None
    assert read(http, first[1]) == (b"[2]", marked(b"[2]"))


def test_new_validators_of_the_same_content_are_given(vendor: Vendor, http: HttpDocuments) -> None:
    """Else they would never be stored, and the document be fetched in full each time."""
    vendor.answers = [Answer(headers={"ETag": '"2"'}, body=b"[1]")]
    assert read(http, marked(b"[1]", '"1"')) == (b"[1]", marked(b"[1]", '"2"'))


@pytest.mark.parametrize("ahead", [301.0, 86400.0 * 365 * 50])
def test_a_date_in_the_future_is_not_believed(vendor: Vendor, http: HttpDocuments, ahead: float) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + ahead, UTC), usegmt=True)
    vendor.answers = [Answer(headers={"Last-Modified": date}, body=b"[1]")]
    first = read(http)
    assert first == (b"[1]", marked(b"[1]"))
    assert read(http, first[1]) is None
    assert "If-Modified-Since" not in vendor.asked[1][1]


def test_a_clock_that_is_a_little_ahead_is_believed(vendor: Vendor, http: HttpDocuments) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + 200, UTC), usegmt=True)
    vendor.answers = [Answer(headers={"Last-Modified": date})]
    assert read(http) == (b"{}", marked(b"{}", last_modified=date))


@pytest.mark.parametrize("date", ["yesterday", "Sat, 99 Foo 2025 10:00:00 GMT", "0"])
def test_a_date_that_cannot_be_read_is_none(vendor: Vendor, http: HttpDocuments, date: str) -> None:
    vendor.answers = [Answer(headers={"Last-Modified": date})]
    assert read(http) == (b"{}", marked(b"{}"))


def test_a_document_can_be_read_again_from_its_beginning(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(body=b"[1]")]
    with http.fetch(URL, None) as fetched:
        assert fetched is not None
        assert fetched.stream.read() == b"[1]"
        fetched.stream.seek(0)
        assert fetched.stream.read() == b"[1]"


@pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b"\xff\xfe{\x00}\x00"])
def test_what_a_document_holds_is_the_feeds_business(vendor: Vendor, http: HttpDocuments, body: bytes) -> None:
    vendor.answers = [Answer(body=body)]
    assert read(http) == (body, marked(body))


def test_unchanged_is_no_answer_to_an_unconditional_request(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(status=304, body=b"")]
    with pytest.raises(Unavailable, match="HTTP 304"):
        read(http)


def test_a_content_encoding_is_taken_off(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"[2]" * 100_000))]
    assert read(http) == (b"[2]" * 100_000, marked(b"[2]" * 100_000))


def test_a_body_that_is_not_what_its_encoding_says_is_a_bad_feed(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(headers={"Content-Encoding": "gzip"}, body=b"<html>no gzip</html>")]
    with pytest.raises(BadFeed, match="Content-Encoding"):
        read(http)


def test_a_document_that_inflates_beyond_the_limit_is_refused(vendor: Vendor) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    vendor.answers = [Answer(headers={"Content-Encoding": "gzip"}, body=bomb)]
    with pytest.raises(BadFeed, match="larger than 1000000 bytes"):
        read(over_http(vendor, size_limit=1_000_000))


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (410, NotFound), (401, Forbidden), (403, Forbidden)])
def test_what_asking_again_cannot_help_is_asked_once(
    vendor: Vendor, http: HttpDocuments, status: int, error: type[Exception]
) -> None:
    vendor.answers = [Answer(status=status, body=b"<html>sorry</html>")]
    with pytest.raises(error, match=f"HTTP {status}"):
        read(http)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_in_trouble_is_asked_again(
    vendor: Vendor, http: HttpDocuments, waits: list[float], status: int
) -> None:
    vendor.answers = [Answer(status=status), Answer(status=status), Answer(body=b"[3]")]
    assert read(http) == (b"[3]", marked(b"[3]"))
    assert waits == [2.0, 4.0]


def test_a_server_that_stays_in_trouble_is_unavailable(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(status=500)]
    with pytest.raises(Unavailable, match="HTTP 500"):
        read(http)
    assert len(vendor.asked) == 3


def test_the_wait_that_the_server_asks_for_is_kept(vendor: Vendor, http: HttpDocuments, waits: list[float]) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + 7, UTC), usegmt=True)
    vendor.answers = [
        Answer(status=429, headers={"Retry-After": "5"}),
        Answer(status=503, headers={"Retry-After": date}),
        Answer(),
    ]
    assert read(http) is not None
    assert waits == [5.0, 7.0]


def test_a_long_wait_is_left_to_the_caller(vendor: Vendor, http: HttpDocuments, waits: list[float]) -> None:
    vendor.answers = [Answer(status=429, headers={"Retry-After": "600"})]
    with pytest.raises(Unavailable) as raised:
        read(http)
    assert (raised.value.retry_after, waits, len(vendor.asked)) == (600.0, [], 1)


def test_an_unreadable_wait_is_no_wait(vendor: Vendor, http: HttpDocuments, waits: list[float]) -> None:
    vendor.answers = [Answer(status=429, headers={"Retry-After": "soon"}), Answer()]
    assert read(http) is not None
    assert waits == [2.0]


def test_a_connection_cut_in_the_middle_is_no_short_document(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(body=b"[1,2,3", announced=1000)]
    with pytest.raises(Unavailable, match="broke after"):
        read(http)
    assert len(vendor.asked) == 3


def test_a_connection_cut_in_the_middle_is_made_again(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(body=b"[1,2,3,4", announced=1000), Answer(body=b"[1]")]
    assert read(http) == (b"[1]", marked(b"[1]"))


def test_a_server_that_only_drips_is_given_up(vendor: Vendor, waits: list[float]) -> None:
    seconds = iter(range(0, 100_000, 400))
    vendor.answers = [Answer(body=b"0" * 1_000_000)]
    with pytest.raises(Unavailable, match="bytes came in 600 seconds"):
        read(over_http(vendor, clock=lambda: float(next(seconds)), sleep=waits.append))


def test_a_disk_that_is_full_is_said(vendor: Vendor, http: HttpDocuments, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def full() -> Iterator[io.BytesIO]:
        class Full(io.BytesIO):
            def write(self, data: object) -> int:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        yield Full()

    monkeypatch.setattr(http_documents, "TemporaryFile", full)
    vendor.answers = [Answer(body=b"[1]")]
    with pytest.raises(Unavailable, match="no room for 3 bytes of it on the disk"):
        read(http)


# --- redirects and addresses


def test_a_redirect_within_the_host_is_followed(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [
        Answer(status=302, headers={"Location": "/moved/main.json"}),
        Answer(headers={"ETag": '"1"'}, body=b"[1]"),
    ]
    assert read(http, Fingerprint(url=URL, etag='"0"')) == (b"[1]", marked(b"[1]", '"1"'))
    assert [path for path, _ in vendor.asked] == [PATH, "/moved/main.json"]
    assert [headers["If-None-Match"] for _, headers in vendor.asked] == ['"0"', '"0"']


@pytest.mark.parametrize(
    "target",
    ["http://localhost:9/", "http://169.254.169.254/latest/meta-data/", "ftp://vendor.example/", "file:///etc/passwd"],
)
def test_a_redirect_to_another_place_without_tls_is_refused(vendor: Vendor, http: HttpDocuments, target: str) -> None:
    vendor.answers = [Answer(status=301, headers={"Location": target})]
    with pytest.raises(Forbidden, match="another place without TLS"):
        read(http)
    assert len(vendor.asked) == 1


def test_a_redirect_to_an_address_that_is_not_of_the_internet_is_refused(http: HttpDocuments, vendor: Vendor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        port = inside.getsockname()[1]
        vendor.answers = [Answer(status=301, headers={"Location": f"https://localhost:{port}/"})]
        with pytest.raises(Forbidden, match=r"has the address 127\.0\.0\.1, which is not of the internet"):
            read(http)


def test_a_vendor_has_an_address_of_the_internet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        url = f"https://localhost:{inside.getsockname()[1]}/main.json"
        with pytest.raises(Forbidden, match="not of the internet"):
            read(HttpDocuments(), url=url)


def test_redirects_without_end_are_left(vendor: Vendor, http: HttpDocuments) -> None:
    vendor.answers = [Answer(status=307, headers={"Location": PATH})]
    with pytest.raises(Unavailable, match="redirects more than 5 times"):
        read(http)
    assert len(vendor.asked) == 3 * 6


def test_no_credentials_are_sent(
    vendor: Vendor, http: HttpDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    vendor.answers = [Answer(headers={"Set-Cookie": "a=b"})]
    read(http)
    read(http)
    assert not {"Authorization", "Cookie"} & {name for _, headers in vendor.asked for name in headers}


def test_a_host_that_does_not_answer_is_unavailable(waits: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match="Timeout"):
            read(
                HttpDocuments(
                    place=lambda url: mirrored(url, address),
                    private=frozenset({"127.0.0.1"}),
                    timeout=(0.05, 0.05),
                    sleep=waits.append,
                )
            )
    assert len(waits) == 2


# --- mirrors ---------------------------------------------------------------------------------------------------------


def test_a_mirror_has_a_document_under_its_host_and_path() -> None:
    assert mirrored(URL, "http://mirror.example/feeds/") == f"http://mirror.example/feeds{PATH}"


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example/main.json",
        "https://vendor.example/../../etc/passwd",
        "https://vendor.example/a/%2e%2e/%2e%2e/passwd",
        "https://vendor.example/a%2f..%2f..%2fpasswd",
        "https://vendor.example//etc/passwd",
        "https://vendor.example/a\\..\\b",
        "https://vendor.example/a%00b",
        "https://vendor.example/main.json?version=2",
        "https://../main.json",
        "https://user@vendor.example/main.json",
        "https://vendor.example/",
    ],
)
def test_nothing_leads_out_of_a_mirror(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadReference):
        mirrored(url, "http://mirror.example")
    with pytest.raises(BadReference):
        read(FolderDocuments(tmp_path), url=url)


def place(mirror: Path, content: bytes, path: str = PATH) -> Path:
    file = mirror / path.removeprefix("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_a_folder_document_is_unchanged_while_its_content_is(tmp_path: Path) -> None:
    file = place(tmp_path, b"[1]")
    source = FolderDocuments(tmp_path)
    first = read(source)
    assert first is not None
    assert first[0] == b"[1]"
    os.utime(file, (0, 0))
    assert read(source, first[1]) is None


def test_a_folder_document_is_changed_though_size_and_time_are_not(tmp_path: Path) -> None:
    file = place(tmp_path, b"[1]")
    os.utime(file, (0, 0))
    first = read(FolderDocuments(tmp_path))
    assert first is not None
    file.write_bytes(b"[2]")
    os.utime(file, (0, 0))
    second = read(FolderDocuments(tmp_path), first[1])
    assert second == (b"[2]", marked(b"[2]", last_modified="Thu, 01 Jan 1970 00:00:00 GMT"))


def test_a_folder_may_have_names_that_a_url_has_to_quote(tmp_path: Path) -> None:
    place(tmp_path, b"zip", "vendor.example/Rocky Linux/all.zip")
    fetched = read(FolderDocuments(tmp_path), url="https://vendor.example/Rocky%20Linux/all.zip")
    assert fetched is not None
    assert fetched[0] == b"zip"


@pytest.mark.parametrize("url", ["https://vendor.example/feed", "https://vendor.example/feed/other.json", f"{URL}/x"])
def test_what_a_folder_does_not_have_is_not_found(tmp_path: Path, url: str) -> None:
    place(tmp_path, b"[1]")
    with pytest.raises(NotFound):
        read(FolderDocuments(tmp_path), url=url)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = place(tmp_path, b"secret", "secret")
    link = tmp_path / "mirror" / PATH.removeprefix("/")
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    with pytest.raises(Forbidden, match="link out of the feed mirror"):
        read(FolderDocuments(tmp_path / "mirror"))


def test_a_mirror_is_a_folder_or_a_url(tmp_path: Path, vendor: Vendor) -> None:
    place(tmp_path, b"[folder]")
    vendor.answers = [Answer(body=b"[url]")]
    assert [read(documents(mirror)) for mirror in (str(tmp_path), vendor.url)] == [
        (b"[folder]", read_fingerprint(FolderDocuments(tmp_path))),
        (b"[url]", marked(b"[url]")),
    ]


def read_fingerprint(source: Documents) -> Fingerprint:
    fetched = read(source)
    assert fetched is not None
    return fetched[1]


# --- the cache -------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cached(http: HttpDocuments, tmp_path: Path, clock: Clock) -> CachedDocuments:
    return CachedDocuments(http, tmp_path / "cache", clock=clock, max_age=60)


FIRST = Answer(headers={"ETag": '"1"'}, body=b"[1]")
SECOND = Answer(headers={"ETag": '"2"'}, body=b"[2]")
COPY = (b"[1]", marked(b"[1]", '"1"'))


def test_a_young_copy_is_read_without_asking(vendor: Vendor, cached: CachedDocuments, clock: Clock) -> None:
    vendor.answers = [FIRST, SECOND]
    read(cached)
    clock.now += 59
    assert read(cached) == COPY
    assert len(vendor.asked) == 1


def test_an_old_copy_is_asked_about(vendor: Vendor, cached: CachedDocuments, clock: Clock) -> None:
    vendor.answers = [FIRST, SECOND]
    read(cached)
    clock.now += 60
    assert read(cached) == (b"[2]", marked(b"[2]", '"2"'))
    assert vendor.asked[1][1]["If-None-Match"] == '"1"'


def test_an_unchanged_copy_is_still_a_stream_and_young_again(
    vendor: Vendor, cached: CachedDocuments, clock: Clock
) -> None:
    vendor.answers = [FIRST, Answer(status=304, body=b"")]
    read(cached)
    clock.now += 60
    assert read(cached, COPY[1]) == COPY
    clock.now += 59
    assert read(cached) == COPY
    assert len(vendor.asked) == 2


@pytest.mark.parametrize("trouble", [Answer(status=500), Answer(body=b"[2", announced=1000)])
def test_the_copy_serves_while_the_vendor_is_in_trouble(
    vendor: Vendor, cached: CachedDocuments, clock: Clock, caplog: pytest.LogCaptureFixture, trouble: Answer
) -> None:
    vendor.answers = [FIRST, trouble]
    read(cached)
    clock.now += 100
    with caplog.at_level(logging.WARNING):
        assert read(cached) == COPY
    assert "cached copy used: age=100s" in caplog.text


def test_without_a_copy_trouble_is_trouble(vendor: Vendor, cached: CachedDocuments, tmp_path: Path) -> None:
    vendor.answers = [Answer(body=b"[2", announced=1000)]
    with pytest.raises(Unavailable):
        read(cached)
    assert list((tmp_path / "cache").glob("*")) == []


def test_what_the_vendor_took_away_is_not_served_from_the_cache(
    vendor: Vendor, cached: CachedDocuments, clock: Clock
) -> None:
    vendor.answers = [FIRST, Answer(status=404)]
    read(cached)
    clock.now += 60
    with pytest.raises(NotFound):
        read(cached)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"asked": 1000}', b'{"asked": "x", "fingerprint": {"url": 1}}'])
def test_a_damaged_copy_is_fetched_again(
    vendor: Vendor, cached: CachedDocuments, tmp_path: Path, damage: bytes
) -> None:
    vendor.answers = [FIRST, SECOND]
    read(cached)
    [description] = (tmp_path / "cache").glob("*.json")
    description.write_bytes(damage)
    assert read(cached) == (b"[2]", marked(b"[2]", '"2"'))


def test_a_copy_without_its_body_is_fetched_again(vendor: Vendor, cached: CachedDocuments, tmp_path: Path) -> None:
    vendor.answers = [FIRST, SECOND]
    read(cached)
    [body] = (tmp_path / "cache").glob("*.body")
    body.unlink()
    assert read(cached) == (b"[2]", marked(b"[2]", '"2"'))
