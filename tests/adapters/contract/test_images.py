"""The contract of `Images`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from eclair.model import Digest, Image, ImageState, Membership, Repository, Tag
from eclair.ports import Images
from tests.adapters.contract.conftest import Stores

SHOP = Repository("registry.test/shop/cart")
BANK = Repository("registry.test/bank")


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def member(number: int, repository: Repository, *tags: str) -> Membership:
    return Membership(digest=digest(number), repository=repository, tags=tags)


def a_tag(name: str, number: int, time: float) -> Tag:
    return Tag(repository=SHOP, name=name, digest=digest(number), images=(digest(number),), time=time)


@pytest.fixture
def images(stores: Stores) -> Images:
    return stores.images


def test_an_image_never_saved_is_none(images: Images) -> None:
    assert images.image(digest(1)) is None


def test_the_image_last_saved_is_read(images: Images) -> None:
    image = Image(digest=digest(1), state=ImageState.QUEUED)
    assert images.save_image(image)
    assert images.image(digest(1)) == image
    failed = Image(digest=digest(1), state=ImageState.FAILED, reason="gone", changed=1.5)
    assert images.save_image(replace(failed, rev=1))
    assert images.image(digest(1)) == failed


def test_nobody_replaces_an_image_that_was_stored_since_he_read_it(images: Images) -> None:
    new = Image(digest=digest(1), state=ImageState.QUEUED)
    assert images.save_image(new)
    assert not images.save_image(replace(new, reason="another who found none"))
    seen = images.image(digest(1))
    assert seen is not None
    assert images.save_image(replace(seen, state=ImageState.INDEXED))
    assert not images.save_image(replace(seen, state=ImageState.FAILED))
    assert not images.save_image(replace(seen, rev=7))
    assert images.image(digest(1)) == replace(new, state=ImageState.INDEXED)


def test_of_images_stored_at_the_same_time_one_stands(images: Images) -> None:
    with ThreadPoolExecutor(4) as pool:
        stood = list(pool.map(lambda number: images.save_image(_numbered(number)), range(8)))
    assert stood.count(True) == 1
    assert images.image(digest(1)) == _numbered(stood.index(True))


def _numbered(number: int) -> Image:
    return Image(digest=digest(1), state=ImageState.QUEUED, reason=str(number))


def test_an_image_larger_than_a_row_is_read_back_and_replaced(images: Images) -> None:
    for rev, size in enumerate((30_000, 20_000, 1)):
        problems = tuple((f"{number * 7919 % 1_000_003:x}{number:x}", f"{number**9:x}") for number in range(size))
        image = Image(digest=digest(1), state=ImageState.INDEXED, problems=problems, rev=rev)
        assert images.save_image(image)
        assert images.image(digest(1)) == image


def test_a_stay_begins_when_the_image_joins_and_not_when_it_is_tagged(images: Images) -> None:
    images.add_membership(digest(1), SHOP, now=1_750_000_000.125)
    images.add_membership(digest(1), SHOP, "v1", now=1_750_000_001.0)
    first = replace(member(1, SHOP, "v1"), joined=1_750_000_000.125)
    assert images.memberships(digest(1)) == (first,)
    assert images.members_of(SHOP).items == (first,)
    images.remove_membership(digest(1), SHOP)
    images.add_membership(digest(1), SHOP, "v1", now=1_750_000_002.0)
    assert images.memberships(digest(1)) == (replace(first, joined=1_750_000_002.0),)


def test_the_memberships_of_many_images_in_one_repository_are_read_at_once(images: Images) -> None:
    for number in range(3):
        images.add_membership(digest(number), SHOP, f"v{number}")
    images.add_membership(digest(3), BANK)
    found = images.memberships_in(SHOP, [digest(2), digest(0), digest(3), digest(2)])
    assert found == {digest(0): member(0, SHOP, "v0"), digest(2): member(2, SHOP, "v2")}
    assert images.memberships_in(SHOP, []) == {}


def test_an_image_has_one_membership_for_each_repository(images: Images) -> None:
    images.add_membership(digest(1), SHOP, "v1")
    images.add_membership(digest(1), BANK)
    images.add_membership(digest(2), SHOP)
    assert images.memberships(digest(1)) == (member(1, BANK), member(1, SHOP, "v1"))
    assert images.memberships(digest(3)) == ()


def test_a_membership_gathers_its_tags_sorted_and_each_once(images: Images) -> None:
    for tag in ("v2", "latest", "v2", None):
        images.add_membership(digest(1), SHOP, tag)
    assert images.memberships(digest(1)) == (member(1, SHOP, "latest", "v2"),)
    assert images.members_of(SHOP).items == (member(1, SHOP, "latest", "v2"),)


def test_tags_added_at_the_same_time_all_stay(images: Images) -> None:
    tags = [f"v{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda tag: images.add_membership(digest(1), SHOP, tag), tags))
    assert images.memberships(digest(1)) == (member(1, SHOP, *tags),)


def test_a_membership_that_lost_its_last_tag_is_still_one(images: Images) -> None:
    images.add_membership(digest(1), SHOP, "v1")
    for _ in range(2):
        images.remove_tag(digest(1), SHOP, "v1")
        assert images.memberships(digest(1)) == (member(1, SHOP),)
        assert images.members_of(SHOP).items == (member(1, SHOP),)


def test_taking_a_tag_from_a_membership_that_is_not_there_makes_none(images: Images) -> None:
    images.remove_tag(digest(1), SHOP, "v1")
    assert images.memberships(digest(1)) == ()
    assert images.members_of(SHOP).items == ()


def test_a_removed_membership_is_gone_in_both_directions(images: Images) -> None:
    images.add_membership(digest(1), SHOP, "v1")
    images.add_membership(digest(1), BANK)
    for _ in range(2):
        images.remove_membership(digest(1), SHOP)
        assert images.memberships(digest(1)) == (member(1, BANK),)
        assert images.members_of(SHOP).items == ()


def test_a_repository_pages_through_its_images_in_the_order_of_their_digests(images: Images) -> None:
    for number in (3, 1, 5, 2, 4):
        images.add_membership(digest(number), SHOP, f"v{number}")
    images.add_membership(digest(9), BANK)
    images.put_tag(a_tag("v1", 1, 1.0))
    first = images.members_of(SHOP, limit=2)
    assert first.items == (member(1, SHOP, "v1"), member(2, SHOP, "v2"))
    second = images.members_of(SHOP, limit=2, page=first.next)
    assert second.items == (member(3, SHOP, "v3"), member(4, SHOP, "v4"))
    third = images.members_of(SHOP, limit=2, page=second.next)
    assert third.items == (member(5, SHOP, "v5"),)
    assert third.next is None


def test_a_page_that_ends_with_the_last_item_names_no_next(images: Images) -> None:
    for number in (1, 2):
        images.add_membership(digest(number), SHOP)
    assert images.members_of(SHOP, limit=2).next is None


@pytest.mark.parametrize("limit", [1, 7, 40, 100])
def test_every_repository_that_ever_had_an_image_is_listed_once(images: Images, limit: int) -> None:
    repositories = {Repository(f"registry.test/team/{number}") for number in range(40)}
    for repository in repositories:
        images.add_membership(digest(1), repository)
        images.add_membership(digest(2), repository)
    images.remove_membership(digest(1), Repository("registry.test/team/7"))
    images.remove_membership(digest(2), Repository("registry.test/team/7"))
    page = images.repositories(limit=limit)
    found = list(page.items)
    while page.next:
        page = images.repositories(page=page.next, limit=limit)
        assert len(page.items) <= limit
        found += page.items
    assert len(found) == 40
    assert set(found) == repositories


def test_a_tag_is_read_as_it_was_put(images: Images) -> None:
    assert images.tag(SHOP, "v1") is None
    tag = Tag(
        repository=SHOP, name="v1", digest=digest(1), images=(digest(2), digest(3)), time=7.25, stale=(digest(4),)
    )
    assert images.put_tag(tag)
    assert images.tag(SHOP, "v1") == tag
    assert images.tag(BANK, "v1") is None


def test_tags_are_listed_by_name(images: Images) -> None:
    for name in ("v2", "latest", "v10"):
        images.put_tag(a_tag(name, 1, 1.0))
    images.add_membership(digest(1), SHOP, "v2")
    assert [tag.name for tag in images.tags(SHOP)] == ["latest", "v10", "v2"]
    assert images.tags(BANK) == ()


@pytest.mark.parametrize(("time", "stands"), [(4.0, False), (5.0, True), (6.0, True)])
def test_a_tag_stands_unless_a_later_one_is_stored(images: Images, *, time: float, stands: bool) -> None:
    stored = a_tag("v1", 1, 5.0)
    images.put_tag(stored)
    newer = a_tag("v1", 2, time)
    assert images.put_tag(newer) is stands
    assert images.tag(SHOP, "v1") == (newer if stands else stored)


@pytest.mark.parametrize(("time", "gone"), [(4.0, False), (5.0, True), (6.0, True)])
def test_a_tag_is_deleted_unless_it_is_later(images: Images, *, time: float, gone: bool) -> None:
    images.put_tag(a_tag("v1", 1, 5.0))
    assert images.delete_tag(SHOP, "v1", time) is gone
    assert (images.tag(SHOP, "v1") is None) is gone


def test_a_tag_that_is_not_there_is_gone(images: Images) -> None:
    assert images.delete_tag(SHOP, "v1", 1.0)


def test_of_tags_put_at_the_same_time_the_latest_stays(images: Images) -> None:
    tags = [a_tag("v1", number, float(number)) for number in range(1, 17)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(images.put_tag, (tags[number * 7 % 16] for number in range(16))))
    assert images.tag(SHOP, "v1") == tags[-1]
