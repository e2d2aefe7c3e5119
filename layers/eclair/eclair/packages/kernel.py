"""Is a package that is built from the kernel's source a kernel?

What is wrong with a kernel is wrong with its source, and so with all that is built from it: headers, documentation,
tools. In an image without the kernel itself there is nothing that could be attacked.
"""

import re
from dataclasses import replace
from typing import Final

from eclair.model import Mark, Package, Source

# The sources: of Debian and Ubuntu (`linux`, `linux-aws-6.8`), of the distributions that use rpm (`kernel`,
# `kernel-rt`, `kernel6.12`).
_SOURCE: Final = re.compile(r"linux|kernel(?:-rt|-uek|-default)?|kernel[0-9.]++|linux-[a-z0-9.+-]++", re.ASCII)

# The kernels: `linux-image-6.1.0-18-amd64`, `linux-modules-…`, `kernel`, `kernel-core`, `kernel-rt-64k-modules-extra`.
_KERNEL: Final = re.compile(
    r"linux-(?:image|modules)-.*|linux-image"
    r"|kernel(?:-rt|-uek|-default|-64k|-debug|-zfcpdump|[0-9.]++)*+(?:-core|-modules.*)?",
    re.ASCII,
)

# Ubuntu has a source for each flavour, and there are sources named alike that are no kernel (`linux-firmware`): of
# these only what the kernel's own source would build.
_PART: Final = re.compile(
    r"linux-(?:[a-z0-9.+-]+-)?(?:headers|tools|cloud-tools|buildinfo|doc|libc-dev|source)(?:-.*)?", re.ASCII
)


# Debian and Ubuntu sign kernels in sources of their own, of which no advisory speaks: `linux-signed-amd64` and
# `linux-signed-6.1-arm64` at `6.1.90+1`, `linux-signed-aws`. The binaries have the version of the kernel's own source.
_SIGNED: Final = "linux-signed"
_SIGNED_FOR: Final = ("-amd64", "-arm64", "-i386")


def unsigned(package: Package) -> Package:
    """Return the package as one of the source that was built before it was signed."""
    source = package.source
    if source is None or not (source.name == _SIGNED or source.name.startswith(f"{_SIGNED}-")):
        return package
    flavour = source.name.removeprefix(_SIGNED)
    for architecture in _SIGNED_FOR:
        flavour = flavour.removesuffix(architecture)
    return replace(package, source=Source(name=f"linux{flavour}", version=package.version))


def context(package: Package) -> str:
    """Return the words of a package's context: with `no-kernel` for a part of the kernel's source that is no kernel."""
    if not _is_part(package):
        return package.context
    return " ".join(sorted({*package.context.split(), Mark.NO_KERNEL.value}))


def _is_part(package: Package) -> bool:
    source = package.source.name if package.source else package.name
    if not _SOURCE.fullmatch(source) or _KERNEL.fullmatch(package.name):
        return False
    return not source.startswith("linux-") or bool(_PART.fullmatch(package.name))
