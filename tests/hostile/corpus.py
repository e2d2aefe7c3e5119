"""All hostile layers, by what they attack."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.hostile import artefacts, layers
from tests.hostile.layers import Case

FAMILIES: Final[Mapping[str, Callable[[], Iterator[Case]]]] = {
    "compressed streams: bombs, lies, nesting": layers.compressed,
    "counts of a tar": layers.counts,
    "sizes of a tar": layers.sizes,
    "long names and pax": layers.extensions,
    "types of members: devices, sparse files": layers.kinds,
    "names that lead elsewhere": layers.names,
    "whiteouts": layers.marks,
    "links: cycles and chains": layers.links,
    "databases of packages, cut and flipped": artefacts.databases,
    "archives: bombs, recursion, zip64": artefacts.archives,
    "programs and their build information": artefacts.programs,
    "texts of languages: megabytes, depth, no UTF-8": artefacts.texts,
}
