"""Exchanges recorded from a real toolbox daemon of v0.190."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDING = Path(__file__).parent / "data" / "golden_responses.jsonl"


def exchanges(*areas: str) -> list[dict[str, Any]]:
    """Return the recorded exchanges of some areas, or all of them."""
    found = map(json.loads, RECORDING.read_text(encoding="ascii").splitlines())
    return [exchange for exchange in found if not areas or exchange["area"] in areas]
