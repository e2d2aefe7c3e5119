"""Ruby: what gems are installed, and the order of Gem::Version."""

import io
import shutil
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eclair.ecosystems.ruby import ECOSYSTEM
from eclair.errors import BadDatabase, BadVersion
from eclair.model import Inventory, Package
from tests.version_pairs import MAKERS, answers, disagreements, pairs
from tests.work import guarded

SAMPLES = Path(__file__).parent.parent / "samples" / "ruby"
FOLDER = "var/lib/gems/3.1.0/specifications"

PROGRAM = """
STDIN.each_line(chomp: true) do |line|
  one, other = line.split("\\t", -1).map { |version| Gem::Version.new(version) rescue nil }
  puts(one && other ? "<=>"[1 + (one <=> other)] : "!")
end
"""


def read(path: str, content: bytes) -> Inventory | None:
    return ECOSYSTEM.read(path, io.BytesIO(content))


@pytest.mark.parametrize(
    ("path", "sample", "name", "version"),
    [
        (f"{FOLDER}/rack-2.2.22.gemspec", "rack-2.2.22.gemspec", "rack", "2.2.22"),
        ("specifications/rack-2.2.22.gemspec", "rack-2.2.22.gemspec", "rack", "2.2.22"),
        (f"{FOLDER}/default/bigdecimal-3.1.1.gemspec", "bigdecimal-3.1.1.gemspec", "bigdecimal", "3.1.1"),
    ],
)
def test_specifications_are_gems(path: str, sample: str, name: str, version: str) -> None:
    assert read(path, (SAMPLES / sample).read_bytes()) == Inventory(
        path=path, analyser="ruby", packages=(Package(type="gem", name=name, version=version, path=path),)
    )


@pytest.mark.parametrize(
    "path", ["var/lib/gems/3.1.0/gems/rack-2.2.22/rack.gemspec", f"{FOLDER}/rack.rb", f"x{FOLDER}x/rack.gemspec"]
)
def test_other_files_are_nobody_s(path: str) -> None:
    assert read(path, (SAMPLES / "rack-2.2.22.gemspec").read_bytes()) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b's.name = "a".freeze\r\n  s.version = "1.0"\r\n', ("a", "1.0", "")),
        (b"  spec.name    = 'a'\n  spec.version = '1.0'\n", ("a", "1.0", "")),
        (b's.name=%q{b}\ns.name = "a"\ns.version = Gem::Version.new("1.0")\n', ("a", "1.0", "")),
        (b's.name = "a"\ns.version = "1.0"\ns.platform = "java".freeze\n', ("a", "1.0", "java")),
        (b's.name = "a"\ns.version = "1.0"\ns.platform = "ruby"\n', ("a", "1.0", "")),
        (b's.name = "a"\ns.name = "b"\ns.version = "1.0"\n', ("a", "1.0", "")),
        (
            b'# s.name = "b"\nx.y.name = "c"\ns.name = "a"\ns.required_ruby_version = "2"\ns.version = "1"',
            ("a", "1", ""),
        ),
        (b"\xff\xfe\n" + b's.name = "a"\ns.version = "not one"\n', ("a", "not one", "")),
    ],
)
def test_specifications_as_they_occur(text: bytes, expected: tuple[str, str, str]) -> None:
    inventory = read(f"{FOLDER}/a.gemspec", text)
    assert inventory is not None
    assert [(package.name, package.version, package.arch) for package in inventory.packages] == [expected]


def test_the_purl_names_the_platform() -> None:
    package = Package(type="gem", name="nokogiri", version="1.15.4", arch="x86_64-linux", path="p")
    assert ECOSYSTEM.purl(package, None) == "pkg:gem/nokogiri@1.15.4?platform=x86_64-linux"


HOSTILE = {
    "empty": b"",
    "no version": b's.name = "a"\n',
    "no name": b's.version = "1"\n',
    "a version that is computed": b's.name = "a"\ns.version = A::VERSION\n',
    "line of many megabytes": b"s" * 50_000_000,
    "name of a megabyte": b's.name = "' + b"a" * 900_000 + b'"\ns.version = "1"\n',
    "control characters": b's.name = "a\x00"\ns.version = "1"\n',
    "attributes behind a megabyte": b"#" * 1_100_000 + b'\ns.name = "a"\ns.version = "1"\n',
    "many beginnings": b"s.name = \n" * 100_000,
    "many blanks": b"s.name" + b" " * 1_000_000 + b"=",
    "many quotation marks": b's.name = ""\n' * 100_000,
    "many words": b"s." * 500_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_specification_that_names_nothing_is_damage(content: bytes) -> None:
    with guarded(), pytest.raises(BadDatabase, match=r"name|version"):
        read(f"{FOLDER}/a.gemspec", content)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read(f"{FOLDER}/a.gemspec", b's.name = "' + content)
    except BadDatabase as refusal:
        assert str(refusal)  # noqa: PT017


# --- the order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0.0"), ("1.a", "1.0.a"), ("1.a.0", "1.a"), ("1-1", "1.pre.1"), (" 1 ", "01"), ("1.a1", "1.a.1")],
)
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert ECOSYSTEM.key(one) == ECOSYSTEM.key(other)


@pytest.mark.parametrize("version", ["", "a", ".1", "1.", "1..2", "1_0", "1-", "1-a-.", "1+1", "\u0661"])
def test_what_is_no_version_has_no_key(version: str) -> None:
    with pytest.raises(BadVersion):
        ECOSYSTEM.key(version)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.a9", "1.a10"),
        ("1.a.9", "1.b.1"),
        ("1.b", "1.b.1"),
        ("1.b.0.a", "1.b"),
        ("1.b.a", "1.b.0.a"),
        ("1.0.b1", "1"),
        ("1.B", "1.a"),
        ("1beta", "1"),
        ("1.0.0.1", "1.0.1"),
        ("1." + "0." * 400 + "1", "1." + "0." * 300 + "1"),
    ],
)
def test_known_orders(older: str, newer: str) -> None:
    assert ECOSYSTEM.key(older) < ECOSYSTEM.key(newer)


def test_keys_order_as_gem_version_compares() -> None:
    if shutil.which("ruby") is None:
        pytest.skip("Ruby is not installed here")
    compared = list(pairs(MAKERS["gem"], Random(20240229), 10_000))
    said = answers(["ruby", "-e", PROGRAM], compared)
    assert said.count("!") < 5_000
    assert disagreements(ECOSYSTEM.key, compared, said) == []
