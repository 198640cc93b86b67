"""Where the evaluation media and teacher networks lie; tests that need them skip where they are missing."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the ../shared folder beside the checkout"
)
