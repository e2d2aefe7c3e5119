"""What the package managers of programming languages leave behind, and the versions of all kinds of packages."""

import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Final

from eclair import ecosystems
from eclair.ecosystems import Ecosystem
from eclair.errors import BadVersion
from eclair.packages import jar
from tests.ecosystems import test_java as java
from tests.hostile.fuzz_databases import SAMPLES, sample, target
from tests.hostile.fuzzing import Target
from tests.packed import zip_of
from tests.version_pairs import MAKERS

LONGEST_VERSION: Final = 2000


def _samples(pattern: str) -> Callable[[], Iterator[bytes]]:
    return lambda: (file.read_bytes() for file in sorted(SAMPLES.glob(pattern)) if file.is_file())


def _jars() -> Iterator[bytes]:
    yield from _samples("java/*.jar")()
    yield java.zipped(java.properties("g", "a", "1") | {"lib/b.jar": java.LIBRARY}, zipfile.ZIP_STORED)
    yield java.zipped({"META-INF/MANIFEST.MF": b"Implementation-Title: a\nImplementation-Version: 2\n"})


def _manifests(content: bytes) -> object:
    return jar.read_manifest(content), jar.read_properties(content, group="g", artifact="a")


def _manifest_seeds() -> Iterator[bytes]:
    yield b"Manifest-Version: 1.0\r\nImplementation-Title: a\r\n b\r\nImplementation-Version: 2\r\n\r\nName: x\r\n"
    yield b"#Thu\ngroupId=org.x\nartifactId = a\\\n  b\nversion: 1.\\u0030\n"


def _eggs() -> Iterator[bytes]:
    yield from _samples("python/*.egg")()
    yield zip_of({"EGG-INFO/PKG-INFO": b"Metadata-Version: 2.1\nName: a\nVersion: 1.0\n", "a/__init__.py": b""})


def _configurations() -> Iterator[bytes]:
    yield b'<packages>\n  <package id="a" version="1.0" />\n  <!-- <package id="b" version="1" /> --></packages>'


def _versions(scheme: str) -> Iterator[bytes]:
    chance = Random(scheme)
    make = MAKERS.get(scheme)
    yield from (make(chance).encode() for _ in range(40) if make)
    yield from _ANY_VERSIONS


def _ordered(ecosystem: Ecosystem, content: bytes) -> object:
    """Make the keys of two versions: each is between the lowest and the highest byte, and they agree with comparing."""
    one, _, other = content[:LONGEST_VERSION].decode(errors="replace").partition("\n")
    keys = [_key(ecosystem, version) for version in (one, other, one[:20])]
    assert all(key is None or b"\0" < key < b"\xff" for key in keys)
    if keys[0] is None or keys[1] is None:
        return ecosystems.compare(ecosystem, one, other)
    assert ecosystems.compare(ecosystem, one, other) == (keys[0] > keys[1]) - (keys[0] < keys[1])
    return keys


def _key(ecosystem: Ecosystem, version: str) -> bytes | None:
    try:
        return ecosystem.key(version)
    except BadVersion:
        return None


_ANY_VERSIONS: Final = (
    *(b"1.0\n1.0.0", b"1:2.3-4~bpo1\n1:2.3-4", b"0!1.2.post3.dev4+local\n1.2", b"1.2.3-alpha.1+build\n1.2.3-beta"),
    *(b"1.2_rc1-r3\n1.2_p1-r0", b"v0.0.0-20200501145240-bc7a7d42d5c3\nv1.2.3", b"2:1.el9^git1-2\n1.el9~rc1-2"),
    *(b"1.0-alpha-1-SNAPSHOT\n1.0.ga", b"dev-master\n1.0.x-dev", b"go1.21rc2\ngo1.21.3", b"1.0.0.0\n1.0.0"),
)

_GEM: Final = (b's.name = "', b"s.version = ", b"Gem::Version.new(", b'.freeze, "', b"s.platform = ", b"%q<", b"\\")

TARGETS: Final = (
    target("python", "lib/a-1.dist-info/METADATA", _samples("python/[MPw]*"), b"\nName: ", b"\nVersion: ", b"\n "),
    target("python-egg", "lib/a.egg", _eggs, b"PK\1\2", b"PK\5\6", b"EGG-INFO/PKG-INFO"),
    target("node", "app/node_modules/a/package.json", _samples("node/**/package.json"), b'"name"', b'"version"'),
    target("ruby", "gems/specifications/a.gemspec", _samples("ruby/*.gemspec"), *_GEM),
    target("php", "vendor/composer/installed.json", _samples("php/*/installed.json"), b'"packages"', b'"dev-"'),
    target("dotnet", "app/a.deps.json", _samples("dotnet/*.deps.json"), b'"libraries"', b'"a/1.0"', b'"type"'),
    target("dotnet-lock", "app/packages.lock.json", sample("dotnet/packages.lock.json"), b'"resolved"', b'"Direct"'),
    target("dotnet-config", "app/packages.config", _configurations, b"<package ", b'id="', b"<!--", b"-->", b"/>"),
    target("conda", "conda-meta/a-1-0.json", _samples("conda/*.json"), b'"subdir"'),
    target("java", "app/a.jar", _jars, b"PK\1\2", b"PK\3\4", b"PK\5\6", b"META-INF/MANIFEST.MF", b"pom.properties"),
    Target(name="java-manifest", seeds=_manifest_seeds, read=_manifests, words=(b"\n ", b"\\u", b"\\\n", b"${x}")),
    *(
        Target(
            name=f"version-{scheme}",
            seeds=partial(_versions, scheme),
            read=partial(_ordered, ecosystem),
            refused=(BadVersion,),
            words=tuple(b". - + ~ ^ ! : _ \n a rc dev alpha post -r1 x 00 1 99999999999999999999".split(b" ")),
        )
        for scheme, ecosystem in ecosystems.load().items()
    ),
)
