"""Every kind of archive gives the image that is in it, and a hostile one gives nothing else."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest

from eclair import ecosystems
from eclair.adapters.archive import OpenArchive, open_archive
from eclair.errors import BadImage, BadReference, DigestMismatch, EclairError, LimitExceeded, NotFound
from eclair.image.filesystem import read_layer
from eclair.image.interest import Readers
from eclair.image.reference import ArchiveReference, parse
from eclair.model import Digest, Index, Interest, Inventory, Layer, Manifest

ANALYSERS = ecosystems.readers()
STATUS = b"Package: apt\nStatus: install ok installed\nVersion: 2.6.1\nArchitecture: amd64\nMaintainer: APT\n\n"
OS_RELEASE = b"ID=debian\nVERSION_ID=12\n"
SAMPLES = Path(__file__).parent.parent / "samples" / "oci"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


def reference(text: str) -> ArchiveReference:
    parsed = parse(text)
    assert isinstance(parsed, ArchiveReference)
    return parsed


def sha256(content: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def tarred(files: Mapping[str, bytes], links: Mapping[str, tuple[bytes, str]] | None = None) -> bytes:
    """Return a tar of files, and of links with their type and target."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path, (kind, target) in (links or {}).items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        for path, body in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return content.getvalue()


LOWER = tarred({"etc/os-release": OS_RELEASE})
UPPER = tarred({"var/lib/dpkg/status": STATUS})


def configuration(*tars: bytes, architecture: str = "amd64") -> bytes:
    diff_ids = [sha256(tar) for tar in tars]
    history = [{"created_by": f"step {number}"} for number in range(len(tars))]
    return json.dumps(
        {
            "os": "linux",
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        }
    ).encode()


def blob(content: bytes) -> tuple[str, bytes]:
    return f"blobs/{sha256(content).replace(':', '/')}", content


def oci_image(*tars: bytes, architecture: str = "amd64") -> tuple[dict[str, bytes], dict[str, object]]:
    """Return the blobs of an image, and its descriptor."""
    layers = [gzip.compress(tar, mtime=0) for tar in tars]
    config = configuration(*tars, architecture=architecture)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": sha256(config),
                "size": len(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": sha256(layer),
                    "size": len(layer),
                }
                for layer in layers
            ],
        }
    ).encode()
    descriptor = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": sha256(manifest),
        "size": len(manifest),
    }
    return dict(map(blob, (config, manifest, *layers))), descriptor


def layout(*tagged: tuple[str, dict[str, bytes], dict[str, object]]) -> dict[str, bytes]:
    """Return the files of an OCI layout of images under their tags."""
    files = {"oci-layout": LAYOUT}
    manifests = []
    for tag, blobs, descriptor in tagged:
        files |= blobs
        annotations = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        manifests.append({**descriptor, **annotations})
    return {**files, "index.json": json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()}


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def docker_save(*, reverse: bool = False) -> dict[str, bytes]:
    """Return the files of an archive as `docker save` writes them."""
    entry = {"Config": "c.json", "RepoTags": ["team/app:1.0"], "Layers": ["0/layer.tar", "1/layer.tar"]}
    files = {
        "0/layer.tar": LOWER,
        "1/layer.tar": UPPER,
        "c.json": configuration(LOWER, UPPER),
        "manifest.json": json.dumps([entry]).encode(),
    }
    return dict(reversed(files.items())) if reverse else files


def manifest_of(archive: OpenArchive) -> Manifest:
    found = archive.registry.manifest(
        archive.repository, archive.registry.resolve(archive.repository, archive.reference).digest
    )
    assert isinstance(found, Manifest)
    return found


def layers_of(archive: OpenArchive) -> Iterator[Layer]:
    for layer in manifest_of(archive).layers:
        with archive.registry.blob(archive.repository, layer) as content:
            yield read_layer(content, layer, ANALYSERS)


def packages_of(text: str) -> list[str]:
    """Return the packages of the image that the reference names."""
    with open_archive(reference(text), readers=ANALYSERS) as archive:
        return [
            package.name
            for layer in layers_of(archive)
            for inventory in layer.inventories
            for package in inventory.packages
        ]


# --- OCI layouts ------------------------------------------------------------------------------------------------------


def test_a_layout_is_read_from_a_folder_a_tar_and_a_compressed_tar(tmp_path: Path) -> None:
    blobs, descriptor = oci_image(LOWER, UPPER)
    files = layout(("1.0", blobs, descriptor))
    written(tmp_path / "folder", files)
    (tmp_path / "image.tar").write_bytes(tarred(files))
    (tmp_path / "image.tar.gz").write_bytes(gzip.compress(tarred(files)))
    for text in ("oci:{}/folder", "oci-archive:{}/image.tar", "oci-archive:{}/image.tar.gz"):
        for tag in ("", ":1.0"):
            assert packages_of(text.format(tmp_path) + tag) == ["apt"]


def test_a_tag_chooses_among_the_images_of_a_layout(tmp_path: Path) -> None:
    one, two = oci_image(LOWER), oci_image(LOWER, UPPER)
    folder = written(tmp_path, layout(("1.0", *one), ("2.0", *two)))
    assert packages_of(f"oci:{folder}:1.0") == []
    assert packages_of(f"oci:{folder}:2.0") == ["apt"]
    with open_archive(reference(f"oci:{folder}")) as archive:
        assert list(archive.registry.tags(archive.repository)) == ["1.0", "2.0"]
    for text in (f"oci:{folder}:3.0", f"oci:{folder}"):
        with pytest.raises(NotFound, match=r"1\.0, 2\.0"):
            packages_of(text)


def test_the_platforms_of_a_layout_are_an_index(tmp_path: Path) -> None:
    images = []
    for architecture in ("amd64", "arm64"):
        blobs, descriptor = oci_image(UPPER, architecture=architecture)
        platform = {"os": "linux", "architecture": architecture}
        images.append(("", blobs, {**descriptor, "platform": platform}))
    with open_archive(reference(f"oci:{written(tmp_path, layout(*images))}")) as archive:
        resolved = archive.registry.resolve(archive.repository, "")
        index = archive.registry.manifest(archive.repository, resolved.digest)
        assert isinstance(index, Index)
        for one in index.manifests:
            found = archive.registry.manifest(archive.repository, one.digest)
            assert isinstance(found, Manifest)
            assert found.platform == one.platform


def test_a_digest_leads_to_any_manifest_of_a_layout(tmp_path: Path) -> None:
    blobs, descriptor = oci_image(UPPER)
    with open_archive(reference(f"oci:{written(tmp_path, layout(('1', blobs, descriptor)))}")) as archive:
        digest = archive.registry.resolve(archive.repository, "1").digest
        assert archive.registry.resolve(archive.repository, digest).digest == digest
        with pytest.raises(NotFound):
            archive.registry.resolve(archive.repository, f"sha256:{'0' * 64}")


def test_a_changed_blob_is_refused(tmp_path: Path) -> None:
    blobs, descriptor = oci_image(UPPER)
    for path, content in blobs.items():
        folder = written(tmp_path / sha256(path.encode())[7:], layout(("1", blobs, descriptor)))
        (folder / path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises((DigestMismatch, BadImage)):
            packages_of(f"oci:{folder}")


def test_a_missing_blob_is_not_found(tmp_path: Path) -> None:
    blobs, descriptor = oci_image(UPPER)
    for path in blobs:
        folder = written(tmp_path / sha256(path.encode())[7:], layout(("1", blobs, descriptor)))
        (folder / path).unlink()
        with pytest.raises(NotFound):
            packages_of(f"oci:{folder}")


# --- docker save ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_docker_save_is_read_in_any_order_of_its_members(tmp_path: Path, *, reverse: bool) -> None:
    archive = tarred(docker_save(reverse=reverse))
    (tmp_path / "image.tar").write_bytes(archive)
    (tmp_path / "image.tar.gz").write_bytes(gzip.compress(archive))
    for name in ("image.tar", "image.tar.gz", "image.tar:1.0"):
        assert packages_of(f"docker-archive:{tmp_path}/{name}") == ["apt"]


def test_docker_save_goes_by_its_image_id_and_its_diff_ids(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(tarred(docker_save()))
    with open_archive(reference(f"docker-archive:{tmp_path}/image.tar")) as archive:
        found = manifest_of(archive)
        assert found.digest == sha256(configuration(LOWER, UPPER))
        assert [(layer.digest, layer.diff_id) for layer in found.layers] == [(sha256(LOWER),) * 2, (sha256(UPPER),) * 2]
        assert [layer.created_by for layer in found.layers] == ["step 0", "step 1"]
        assert list(archive.registry.tags(archive.repository)) == ["team/app:1.0"]


@pytest.mark.parametrize(("kind", "target"), [(tarfile.SYMTYPE, "../0/layer.tar"), (tarfile.LNKTYPE, "0/layer.tar")])
def test_a_layer_may_be_a_link_to_another(tmp_path: Path, kind: bytes, target: str) -> None:
    entry = {"Config": "c.json", "RepoTags": None, "Layers": ["0/layer.tar", "1/layer.tar"]}
    files = {
        "0/layer.tar": UPPER,
        "c.json": configuration(UPPER, UPPER),
        "manifest.json": json.dumps([entry]).encode(),
    }
    (tmp_path / "image.tar").write_bytes(tarred(files, {"1/layer.tar": (kind, target)}))
    assert packages_of(f"docker-archive:{tmp_path}/image.tar") == ["apt", "apt"]


def test_the_layers_of_docker_save_may_be_compressed(tmp_path: Path) -> None:
    files = docker_save()
    (tmp_path / "image.tar").write_bytes(tarred({**files, "1/layer.tar": gzip.compress(files["1/layer.tar"])}))
    assert packages_of(f"docker-archive:{tmp_path}/image.tar") == ["apt"]


def test_a_docker_save_that_is_a_layout_as_well_goes_by_its_manifest(tmp_path: Path) -> None:
    blobs, descriptor = oci_image(UPPER)
    (tmp_path / "image.tar").write_bytes(tarred({**docker_save(), **layout(("1.0", blobs, descriptor))}))
    with open_archive(reference(f"docker-archive:{tmp_path}/image.tar")) as archive:
        assert manifest_of(archive).digest == descriptor["digest"]


@pytest.mark.parametrize(
    "entry",
    [
        {"Config": "c.json", "Layers": ["0/layer.tar"]},
        {"Config": "/etc/passwd", "Layers": []},
        {"Config": "../c.json", "Layers": ["0/layer.tar", "1/layer.tar"]},
        {"Config": "c.json", "Layers": ["0/layer.tar", "../../etc/passwd"]},
        {"Config": "c.json", "Layers": ["0/layer.tar", "loop"]},
        {"Config": "c.json", "Layers": ["0/layer.tar", "out"]},
    ],
)
def test_docker_save_names_nothing_outside_of_itself(tmp_path: Path, entry: dict[str, object]) -> None:
    files = {**docker_save(), "manifest.json": json.dumps([entry]).encode()}
    links = {"loop": (tarfile.SYMTYPE, "loop"), "out": (tarfile.SYMTYPE, "/../../etc/passwd")}
    (tmp_path / "image.tar").write_bytes(tarred(files, links))
    with pytest.raises((NotFound, BadImage)):
        packages_of(f"docker-archive:{tmp_path}/image.tar")


def test_a_layer_other_than_its_diff_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(tarred({**docker_save(), "1/layer.tar": LOWER}))
    with pytest.raises(DigestMismatch):
        packages_of(f"docker-archive:{tmp_path}/image.tar")


# --- archives that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive", "dir"])
def test_a_path_that_is_not_there_is_not_found(tmp_path: Path, transport: str) -> None:
    with pytest.raises(NotFound, match="nothing"):
        packages_of(f"{transport}:{tmp_path}/nothing")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tar" * 1000,
        tarred({"x": b""}),
        tarred(docker_save())[:3000],
        gzip.compress(tarred(docker_save()))[:-20],
        tarred({"index.json": b"<html>"}),
        tarred({"index.json": b"{}"}),
        tarred({"manifest.json": b"{}"}),
        tarred({"manifest.json": b"[]"}),
    ],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    for transport in ("oci-archive", "docker-archive"):
        with pytest.raises((BadImage, NotFound)) as caught:
            packages_of(f"{transport}:{tmp_path}/image.tar")
        assert "image.tar" in str(caught.value)


def test_a_file_is_no_layout_and_a_folder_no_archive(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for text in (f"oci:{tmp_path}/file", f"dir:{tmp_path}/file", f"oci-archive:{tmp_path}"):
        with pytest.raises(NotFound):
            packages_of(text)


def test_an_index_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(b" " * (5 * 1024 * 1024))
    with pytest.raises(LimitExceeded):
        packages_of(f"oci:{tmp_path}")


def test_archives_list_no_repositories(tmp_path: Path) -> None:
    written(tmp_path / "oci", layout(("1", *oci_image(UPPER))))
    (tmp_path / "docker.tar").write_bytes(tarred(docker_save()))
    for text in (f"oci:{tmp_path}/oci", f"docker-archive:{tmp_path}/docker.tar", f"dir:{tmp_path}"):
        with open_archive(reference(text)) as archive, pytest.raises(NotFound):
            next(archive.registry.repositories("localhost"))


# --- root file systems ------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root file system whose os-release is a link, beside a secret that is not in it."""
    (tmp_path / "secret").write_bytes(b"Package: secret\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n")
    files = {"usr/lib/os-release": OS_RELEASE, "var/lib/dpkg/status": STATUS, "home/private": b"x"}
    folder = written(tmp_path / "root", files)
    (folder / "etc").mkdir()
    (folder / "etc" / "os-release").symlink_to("../usr/lib/os-release")
    return folder


def names_in(root: Path) -> set[str]:
    with open_archive(reference(f"dir:{root}"), readers=ANALYSERS) as archive:
        (layer,) = layers_of(archive)
        return {inventory.path for inventory in layer.inventories}


def test_a_root_file_system_gives_its_files_of_interest_and_no_others(root: Path) -> None:
    assert packages_of(f"dir:{root}") == ["apt"]
    assert names_in(root) == {"etc/os-release", "usr/lib/os-release", "var/lib/dpkg/status"}


def test_files_directly_within_a_directory_of_interest_are_read(root: Path) -> None:
    written(root / "var/lib/dpkg/status.d", {"base": STATUS.replace(b"apt", b"base"), "deeper/base": STATUS})
    assert sorted(packages_of(f"dir:{root}")) == ["apt", "base"]


def test_files_are_found_by_name_ending_and_first_bytes_wherever_they_lie(root: Path) -> None:
    class Anywhere:
        name = "anywhere"
        interest = Interest(names=frozenset(("package.json",)), suffixes=(".jar",), magics=(b"\x7fELF", b"go "))

        def read(self, path: str, content: BinaryIO) -> Inventory:
            return Inventory(path=path, analyser=self.name, problem=content.read().decode())

    written(
        root, {"srv/a/package.json": b"1", "srv/b/X.JAR": b"2", "bin/tool": b"go 3", "bin/sh": b"#!", "srv/none": b""}
    )
    (root / "srv/link.jar").symlink_to("b/X.JAR")
    (root / "srv/loop").symlink_to("..")
    (root / "srv/out").symlink_to(root.parent)
    os.mkfifo(root / "srv/pipe.jar")
    (root / "srv/\udcff.jar").write_bytes(b"4")
    with open_archive(reference(f"dir:{root}"), readers=Readers((Anywhere(),))) as archive:
        (layer,) = manifest_of(archive).layers
        with archive.registry.blob(archive.repository, layer) as blob:
            found = read_layer(blob, layer, Readers((Anywhere(),)))
    assert {one.path: one.problem for one in found.inventories} == {
        "srv/a/package.json": "1",
        "srv/b/X.JAR": "2",
        "bin/tool": "go 3",
        "srv/\\xff.jar": "4",
    }


def test_the_same_files_have_the_same_digest(root: Path) -> None:
    def digest() -> Digest:
        with open_archive(reference(f"dir:{root}"), readers=ANALYSERS) as archive:
            return manifest_of(archive).digest

    before = digest()
    (root / "home/private").write_bytes(b"changed")
    os.utime(root / "var/lib/dpkg/status", (5, 5))
    assert digest() == before
    (root / "var/lib/dpkg/status").write_bytes(STATUS * 2)
    assert digest() != before


@pytest.mark.parametrize("target", ["../../../../secret", "/secret", "status", "/../../secret"])
def test_no_link_leads_out_of_a_root_file_system(root: Path, target: str) -> None:
    status = root / "var/lib/dpkg/status"
    status.unlink()
    status.symlink_to(target)
    assert packages_of(f"dir:{root}") == []


def test_a_link_to_a_directory_outside_is_followed_within(root: Path) -> None:
    (root / "var/lib/dpkg/status").rename(root / "status")
    (root / "var/lib/dpkg").rmdir()
    (root / "var/lib/dpkg").symlink_to(root.parent)
    assert packages_of(f"dir:{root}") == []
    (root / "var/lib/dpkg").unlink()
    (root / "var/lib/dpkg").symlink_to("/")
    assert packages_of(f"dir:{root}") == ["apt"]


def test_pipes_and_directories_in_the_place_of_files_are_passed_over(root: Path) -> None:
    status = root / "var/lib/dpkg/status"
    status.unlink()
    os.mkfifo(status)
    assert packages_of(f"dir:{root}") == []
    status.unlink()
    status.mkdir()
    assert packages_of(f"dir:{root}") == []


def test_a_root_file_system_has_one_image(root: Path) -> None:
    with open_archive(reference(f"dir:{root}")) as archive:
        digest = manifest_of(archive).digest
        assert archive.registry.resolve(archive.repository, digest).digest == digest
        with pytest.raises(BadReference):
            archive.registry.resolve(archive.repository, "1.0")
        with pytest.raises(NotFound):
            archive.registry.manifest(archive.repository, Digest(f"sha256:{'0' * 64}"))


# --- real images ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("debian-bullseye", 96), ("alpine-3.10.2", 14)])
def test_the_sample_layouts_have_the_packages_of_their_images(name: str, count: int) -> None:
    assert len(packages_of(f"oci:{SAMPLES / name}")) == count


def images_of(archive: OpenArchive, digest: Digest) -> Iterator[Manifest]:
    match archive.registry.manifest(archive.repository, digest):
        case Index() as index:
            for descriptor in index.manifests:
                yield from images_of(archive, descriptor.digest)
        case Manifest() as manifest:
            yield manifest


def test_every_real_archive_is_read_to_its_end(shared_data: Path) -> None:
    files = sorted((shared_data / "images").glob("*.tar*"))
    platforms = {}
    assert files
    for file in files:
        kind = "docker-archive" if "docker-archive" in file.name else "oci-archive"
        with open_archive(reference(f"{kind}:{file}")) as archive:
            resolved = archive.registry.resolve(archive.repository, archive.reference)
            images = list(images_of(archive, resolved.digest))
            platforms[file.name] = [str(image.platform) for image in images]
            for image in images:
                for layer in image.layers:
                    with archive.registry.blob(archive.repository, layer) as content:
                        assert read_layer(content, layer, ANALYSERS).digest == layer.digest
    assert platforms.pop("index.tar") == ["linux/amd64", "linux/arm64"]
    assert set(map(tuple, platforms.values())) == {("linux/amd64",)}


def test_errors_are_of_our_tree(tmp_path: Path) -> None:
    content = tarred(docker_save())
    for position in range(0, len(content), 997):
        (tmp_path / "image.tar").write_bytes(content[:position] + b"\xff" + content[position + 1 :])
        try:
            assert packages_of(f"docker-archive:{tmp_path}/image.tar") == ["apt"]
        except EclairError as error:
            assert str(error)  # noqa: PT017 (either is right)
