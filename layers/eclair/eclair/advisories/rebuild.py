"""What do the errata of those who rebuild Red Hat Enterprise Linux have in common, as OSV records?

Alma and Rocky take over Red Hat's titles, `Important: nodejs:18 security update`: first how severe it is, then, where
packages of a module are fixed, the module and its stream. Their entries do not say it otherwise.
"""

import re
from functools import lru_cache
from typing import Final

from eclair.advisories import osv
from eclair.advisories.errata import severity
from eclair.model import Severity
from eclair.packages import release_marks

_MODULE: Final = re.compile(r"(?<![^ ])([A-Za-z0-9][A-Za-z0-9_.+-]*+):([A-Za-z0-9_.+-]++)(?![^ ,/])", re.ASCII)


def stream(record: osv.Record, affected: osv.Affected) -> str:
    """Return the stream of an entry: that of the module in the title, or any module where there is not just one.

    A title may name what is no module (`kernel:4.18.0`): only the fix tells. Outside of modules a fix is for the minor
    release that it was built for, and for the later ones.
    """
    return _stream(record.summary, affected.ranges)


@lru_cache(maxsize=256)
def _stream(title: str, ranges: tuple[tuple[osv.Event, ...], ...]) -> str:
    fixes = (event.version for events in ranges for event in events if event.kind == osv.FIXED)
    words = {word for fix in fixes for word in release_marks.words(fix)}
    releases = {word for word in words if word.startswith(release_marks.DIST)}
    words -= releases
    if release_marks.MODULE not in words:
        words.update(word.replace(release_marks.DIST, release_marks.MINOR) for word in releases)
    elif len(modules := _MODULE.findall(title)) == 1:
        words.remove(release_marks.MODULE)
        words.add("module:{}:{}".format(*modules[0]))
    return " ".join(sorted(words))


def rating(record: osv.Record, vendor: str) -> osv.Rating:
    """Return what the first word of the title says, else the rating of the CVSS vectors."""
    word = severity(record.summary.partition(":")[0])
    return osv.by_vectors(record, vendor) if word is Severity.UNKNOWN else osv.Rating(word, vendor)


def ids(record: osv.Record) -> tuple[str, ...]:
    """Return the ids: the rebuilds name the CVEs that an erratum fixes as `related`."""
    return (*record.aliases, *record.upstream, *record.related)
