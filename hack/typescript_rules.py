"""Writes the TypeScript SDK's table of rules from `theazo.rules`: `python -m hack.typescript_rules`."""

from __future__ import annotations

import json
from pathlib import Path

from theazo import rules

TARGET = Path(__file__).resolve().parent.parent / "sdk" / "typescript" / "src" / "rules-table.ts"
HEAD = """\
// Written by `hack/uv run python -m hack.typescript_rules` from sdk/python/src/theazo/rules.py: change it there.
// A test compares the two.

export const RULES = """


def table() -> str:
    """The module's text."""
    facts = {
        "namePattern": rules.NAME_PATTERN,
        "dnsLabelPattern": rules.DNS_LABEL_PATTERN,
        "sealingIdPattern": rules.SEALING_ID_PATTERN,
        "credentialPattern": rules.CREDENTIAL_PATTERN,
        "maxName": rules.MAX_NAME,
        "maxNames": rules.MAX_NAMES,
        "maxValue": rules.MAX_VALUE,
        "maxPlatform": rules.MAX_PLATFORM,
        "maxSession": rules.MAX_SESSION,
        "maxAgent": rules.MAX_AGENT,
        "maxSealingId": rules.MAX_SEALING_ID,
        "maxUser": rules.MAX_USER,
    }
    lines = [f"  {name}: {json.dumps(value)}," for name, value in facts.items()]
    groups = [f"    {json.dumps(group._asdict())}," for group in rules.RESERVED]
    return "\n".join([HEAD + "{", *lines, "  reserved: [", *groups, "  ],", "} as const", ""])


if __name__ == "__main__":
    TARGET.write_text(table())
