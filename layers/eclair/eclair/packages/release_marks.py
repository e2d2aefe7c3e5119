"""What does the release of an rpm say of the stream that it was built for?

Red Hat and those who rebuild it mark a release (https://docs.fedoraproject.org/en-US/packaging-guidelines/DistTag/):
`.el9_2` is for the minor release 9.2 and its extended support, `.module+el8.9.0+…` a module built on 8.9. Oracle adds
`.ksplice1` for userspace that can be patched alive, `_fips` for validated builds, Rocky `.cloud` for
the kernel of its cloud images. A fix in one of these streams says
nothing of another. The same words stand in the contexts of packages and in the streams of statements.
"""

import re
from collections.abc import Collection
from typing import Final

MODULE: Final = "module"
"""The word of every build of a module, whichever module it is: not all vendors say that."""

DIST: Final = "dist:"
MARK: Final = "mark:"
ARCH: Final = "arch:"
"""Begins the word of an architecture for which a fix was built at another version than for the others."""
MINOR: Final = "minor:"
"""Begins the word of a fix that was built for a minor release by who has one line of fixes only, as those who rebuild
Red Hat's distribution: builds for that release are compared with it alone, all others with every fix of the line.
"""

_MINOR: Final = re.compile(r"\.(el[0-9]{1,3}_[0-9]{1,3})(?![0-9])|\+(el[0-9]{1,3})\.([0-9]{1,3})\.[0-9]", re.ASCII)
_MARK: Final = re.compile(r"\.(ksplice[0-9]{0,3}|cloud)(?![A-Za-z0-9])|[._](fips)(?![A-Za-z0-9])", re.ASCII)
_REPOSITORY: Final = re.compile(r".*__([0-9]{1,3})_DOT_([0-9]{1,3})(?:__[A-Za-z0-9_]+)?", re.ASCII)
_CONTEXT: Final = re.compile(
    r"(?P<lead>.+\.module\+el[0-9.]+\+)(?P<number>[0-9]{1,18})\+[0-9a-f]+(?:\.[0-9]+)?", re.ASCII
)
_MODULE: Final = re.compile(r"\.module[+_]", re.ASCII)


def words(release: str) -> frozenset[str]:
    """Return the words of a release: `dist:el9_2`, `mark:ksplice1`, `mark:fips`, `module`."""
    found = {f"{MARK}{mark}" for match in _MARK.finditer(release) for mark in match.groups() if mark}
    if minor := _MINOR.search(release):
        found.add(dist(minor[1] or f"{minor[2]}_{minor[3]}"))
    if _MODULE.search(release):
        found.add(MODULE)
    return frozenset(found)


def of_repository(id_: str) -> frozenset[str]:
    """Return the word of a repository of one minor release: `rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2` has el9_2's.

    So the ids alone tell what Red Hat's table of repositories and CPEs would.
    """
    named = _REPOSITORY.fullmatch(id_)
    return frozenset({dist(f"el{named[1]}_{named[2]}")}) if named else frozenset()


def joined(fixes: Collection[str]) -> Collection[str]:
    """Return the fixes of one erratum, builds of one module for different contexts as one.

    A module is built once for each version of what it depends on; these builds differ in a number and a hash at the end
    (`…module+el8.10.0+23147+95b68fad`), and each of them is the fix. What is before the hash of the lowest number is
    older than all of them, and newer than any earlier build.
    """
    builds = [match for fix in fixes if (match := _CONTEXT.fullmatch(fix))]
    if len(builds) < 2 or len(builds) < len(fixes) or len({build["lead"] for build in builds}) > 1:
        return fixes
    return (builds[0]["lead"] + min((build["number"] for build in builds), key=int),)


def dist(tag: str) -> str:
    """Return the word of a dist tag that names a minor release, such as `el9_2`."""
    return f"{DIST}{tag}"
