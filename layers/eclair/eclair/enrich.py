"""Load what feeds know of vulnerabilities, whatever package they are in: CVSS, exploitation and how likely it is.

There are some 300,000 vulnerabilities, and of a daily feed nearly all change: a row for each would cost more than all
advisories. So they are stored in blocks of a hundred neighbouring ids, and only a block that differs is written.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple
from hashlib import blake2b
from typing import Final

from eclair.loading.amend import batched
from eclair.loading.load import Loading, TooMuchGone
from eclair.model import Begun, Enrichment
from eclair.ports import Enrichments

BLOCK: Final = 100
BATCH: Final = 500
"""How many blocks are written before the time is looked at again."""

_CVE: Final = re.compile(r"CVE-([0-9]{4})-([0-9]{1,19})")


def block_of(vulnerability: str) -> str | None:
    """Return the name of the block that holds a vulnerability; None for what is no CVE."""
    match = _CVE.fullmatch(vulnerability)
    return f"{match[1]}-{int(match[2]) // BLOCK}" if match else None


def known_of(
    enrichments: Enrichments, feeds: Collection[str], vulnerabilities: Iterable[str]
) -> Mapping[str, Enrichment]:
    """Return what feeds know of vulnerabilities, of those that they know."""
    blocks: dict[str, set[str]] = {}
    for vulnerability in vulnerabilities:
        name = block_of(vulnerability)
        if name is not None:
            blocks.setdefault(name, set()).add(vulnerability)
    return enrichments.of(feeds, blocks) if feeds and blocks else {}


def load_enrichments(loading: Loading, said: Iterable[tuple[str, Enrichment]], enrichments: Enrichments) -> None:
    """Store what differs. Raises `TooMuchGone` before anything is written, and what `loading.pause` raises."""
    feed, part = loading.feed.name, loading.part.name
    blocks = _blocks(loading, said)
    digests = {name: _digest(block) for name, block in blocks.items()}
    stored = dict(loading.feeds.digests(feed, part))
    if begun := loading.feeds.begun(feed, part):
        stored |= dict.fromkeys(begun.names, "")
    gone = stored.keys() - blocks.keys()
    if len(gone) * BLOCK > loading.limit:
        raise TooMuchGone
    differing = [name for name in blocks if stored.get(name) != digests[name]]
    for names in batched((*differing, *sorted(gone)), BATCH):
        loading.pause()
        loading.feeds.begin(feed, part, Begun(names=names, packages=(), rows=0))
        enrichments.save(feed, {name: blocks.get(name, {}) for name in names})
        loading.feeds.end(feed, part, {name: digests.get(name) for name in names})
    loading.tally.differed += len(differing)
    loading.tally.written += sum(len(blocks[name]) for name in differing)


def _blocks(loading: Loading, said: Iterable[tuple[str, Enrichment]]) -> dict[str, dict[str, Enrichment]]:
    blocks: dict[str, dict[str, Enrichment]] = {}
    for vulnerability, enrichment in said:
        name = block_of(vulnerability)
        if name is not None:
            blocks.setdefault(name, {})[vulnerability] = enrichment
            loading.tally.names += 1
    loading.tally.rows = sum(map(len, blocks.values()))
    return blocks


def _digest(block: Mapping[str, Enrichment]) -> str:
    said = repr(sorted((name, astuple(enrichment)) for name, enrichment in block.items()))
    return blake2b(said.encode(), digest_size=16).hexdigest()
