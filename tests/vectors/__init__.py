"""The frozen envelopes, read once."""

import json
from pathlib import Path
from typing import Any

_FROZEN: dict[str, Any] = json.loads(Path(__file__).with_name("envelopes.json").read_text())

KEYS: dict[str, dict[str, str]] = _FROZEN["keys"]
ENVELOPES: list[dict[str, str]] = _FROZEN["envelopes"]
