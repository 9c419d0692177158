"""The command line: `python -m hack.sbom ARCHIVE TARGET`."""

from __future__ import annotations

import sys
from pathlib import Path

from hack.cluster.paths import REPO
from hack.cluster.shell import making
from hack.sbom.document import write
from hack.sbom.image import Image
from hack.sbom.parts import Lock


def main() -> int:
    """Write the document of the image in an archive."""
    archive, target = (Path(argument) for argument in sys.argv[1:])
    text = write(Image.open(archive), Lock(REPO / "uv.lock"))
    with making(target.absolute()) as made:
        made.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
