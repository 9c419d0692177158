"""What is in an image that was built, written down as CycloneDX: `python -m hack.sbom ARCHIVE TARGET`."""
