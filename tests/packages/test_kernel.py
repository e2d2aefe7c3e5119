"""What is built from the kernel's source is told apart: kernels, and what is no kernel."""

import pytest

from eclair.ecosystems import features
from eclair.model import Mark, Package, Source
from eclair.packages.kernel import context


def package(name: str, source: str, *, type_: str = "deb", words: str = "") -> Package:
    return Package(
        type=type_, name=name, version="6.1-1", source=Source(name=source, version="6.1-1"), path="x", context=words
    )


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("linux-libc-dev", "linux"),
        ("linux-headers-6.1.0-18-common", "linux"),
        ("linux-kbuild-6.1", "linux"),
        ("linux-perf", "linux"),
        ("bpftool", "linux"),
        ("linux-libc-dev", "linux-riscv"),
        ("linux-aws-headers-5.15.0-1050", "linux-aws"),
        ("linux-headers-5.15.0-91-generic", "linux-hwe-5.15"),
        ("linux-tools-common", "linux-lowlatency"),
        ("kernel-headers", "kernel"),
        ("kernel-devel", "kernel"),
        ("kernel-tools-libs", "kernel"),
        ("python3-perf", "kernel"),
        ("perf", "kernel"),
        ("kernel6.12-headers", "kernel6.12"),
    ],
)
def test_what_is_no_kernel(name: str, source: str) -> None:
    assert context(package(name, source)) == Mark.NO_KERNEL
    assert context(package(name, source, words="repository:x")) == f"{Mark.NO_KERNEL} repository:x"


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("linux-image-6.1.0-18-amd64", "linux"),
        ("linux-image-5.15.0-1050-aws", "linux-aws"),
        ("linux-modules-5.15.0-91-generic", "linux"),
        ("kernel", "kernel"),
        ("kernel-core", "kernel"),
        ("kernel-modules-extra", "kernel"),
        ("kernel-rt-core", "kernel-rt"),
        ("kernel-64k-debug-modules-core", "kernel"),
        ("kernel-default", "kernel-default"),
        ("kernel6.12", "kernel6.12"),
        # No part of the kernel's source.
        ("firmware-linux", "linux-firmware"),
        ("linux-base", "linux-base"),
        ("linuxptp", "linuxptp"),
        ("openssl", "openssl"),
    ],
)
def test_what_is_a_kernel_or_something_else(name: str, source: str) -> None:
    assert context(package(name, source)) == ""


def test_a_feature_says_so() -> None:
    [headers] = features(package("linux-libc-dev", "linux"), "debian:12")
    [image] = features(package("linux-image-6.1.0-18-amd64", "linux"), "debian:12")
    assert (headers.context, image.context) == (Mark.NO_KERNEL, "")
    assert headers.id != image.id
    found = features(package("kernel-headers", "kernel", type_="rpm"), "rocky:9")
    assert [feature.context for feature in found] == [Mark.NO_KERNEL] * len(found) != []


@pytest.mark.parametrize(
    ("name", "source", "unsigned"),
    [
        ("linux-image-6.1.0-18-amd64", "linux-signed-amd64", "linux"),
        ("linux-image-6.1.0-0.deb11.17-arm64", "linux-signed-6.1-arm64", "linux-6.1"),
        ("linux-image-5.15.0-91-generic", "linux-signed", "linux"),
        ("linux-image-5.15.0-1050-aws", "linux-signed-aws", "linux-aws"),
        ("linux-image-6.5.0-14-generic", "linux-signed-hwe-6.5", "linux-hwe-6.5"),
    ],
)
def test_a_signed_kernel_is_looked_for_under_the_source_that_advisories_name(
    name: str, source: str, unsigned: str
) -> None:
    signed = Package(
        type="deb", name=name, version="6.1.76-1", source=Source(name=source, version="6.1.76+1"), path="x"
    )
    [feature] = features(signed, "debian:12")
    assert (feature.package.name, feature.version, feature.context) == (unsigned, "6.1.76-1", "")


@pytest.mark.parametrize("source", ["linux", "linux-signedness", "shim-signed"])
def test_other_sources_keep_their_names(source: str) -> None:
    [feature] = features(package("x", source), "debian:12")
    assert feature.package.name == source


def test_hostile_names_take_no_time() -> None:
    assert context(package("linux-" + "a-" * 100_000 + "!", "linux-" + "a-" * 100_000)) == ""
    assert context(package("kernel" + "-rt-64k" * 100_000 + "!", "kernel"))
