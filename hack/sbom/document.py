"""The parts of an image as a CycloneDX document."""

from __future__ import annotations

import uuid
from datetime import datetime

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from hack.sbom.image import Image
from hack.sbom.parts import Bundled, Debian, Distribution, Lock, debian, distributions, os_release, python_version

_LABEL = "org.opencontainers.image."


def write(image: Image, lock: Lock) -> str:
    """Return the document of an image, as JSON; the same for the same image."""
    packages, installed = debian(image), distributions(image)
    system = _system(image)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, image.id),
        metadata=BomMetaData(
            component=_image(image),
            timestamp=datetime.fromisoformat(image.config["created"]),
        ),
    )
    made = {each.name: _distribution(each, lock) for each in installed}
    for component in made.values():
        bom.components.add(component)
    others = [system, _python(python_version(packages)), *(_debian(each, system) for each in packages)]
    for component in others:
        bom.components.add(component)
    root = bom.metadata.component
    if root is not None:
        bom.register_dependency(root, [*made.values(), *others])
    for name, component in made.items():
        bom.register_dependency(component, [made[need] for need in sorted(lock.needs(name)) if need in made])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _image(image: Image) -> Component:
    labels = image.config["config"]["Labels"]
    return Component(
        type=ComponentType.CONTAINER,
        bom_ref="image",
        name=labels[f"{_LABEL}title"],
        version=labels[f"{_LABEL}version"],
        description=labels[f"{_LABEL}description"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=image.id)],
        licenses=[LicenseExpression(labels[f"{_LABEL}licenses"])],
        properties=[Property(name="theazo:layer", value=layer.diff_id) for layer in image.layers],
    )


def _distribution(distribution: Distribution, lock: Lock) -> Component:
    purl = PackageURL("pypi", name=distribution.name, version=distribution.version)
    artifact = lock.artifact(distribution)
    component = Component(
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        name=distribution.name,
        version=distribution.version,
        purl=purl,
        licenses=[LicenseExpression(distribution.license)] if distribution.license else None,
        components=[_bundled(each, str(purl)) for each in distribution.bundled],
    )
    if artifact:
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=artifact.sha256)]
        where = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(artifact.url), hashes=hashes)
        component.hashes.update(hashes)
        component.external_references.add(where)
    return component


def _bundled(bundled: Bundled, within: str) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=f"{within}#{bundled.name}@{bundled.version}",
        name=bundled.name,
        version=bundled.version,
        purl=PackageURL.from_string(bundled.purl) if bundled.purl else None,
    )


def _system(image: Image) -> Component:
    said = os_release(image)
    return Component(
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="os",
        name=said["ID"],
        version=said["VERSION_ID"],
        description=said["PRETTY_NAME"],
    )


def _python(version: str) -> Component:
    return Component(
        type=ComponentType.PLATFORM,
        bom_ref="python",
        name="python",
        version=version,
        purl=PackageURL("generic", name="python", version=version),
        cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
    )


def _debian(package: Debian, system: Component) -> Component:
    told = {"arch": package.architecture, "distro": f"{system.name}-{system.version}"}
    if package.source:
        told["upstream"] = package.source.partition(" ")[0]
    purl = PackageURL("deb", namespace=system.name, name=package.name, version=package.version, qualifiers=told)
    return Component(
        type=ComponentType.LIBRARY, bom_ref=str(purl), name=package.name, version=package.version, purl=purl
    )
