"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Where changes are gated each run tries the same examples; everywhere else new ones. How long one takes says more of
# the machine than of the code.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of large real data (images, feed mirror, version tables), which lies beside a checkout."""
    folder = Path(os.environ.get("ECLAIR_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set ECLAIR_SHARED_DATA to the folder that holds it")
    return folder


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name raw content by its size: gzip writes the time of day into it, and every worker must name a test alike."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and not val.isascii() else None
