"""examples/gitops is what its README says: applicable, and sealed with a key that opens nothing real."""

import yaml

from tests.support.cli import KEY, opened, theazo
from tests.support.gitops import AGENT, EXAMPLE, PLATFORM, SESSION


def test_the_example_is_sealed_with_the_key_beside_it() -> None:
    assert (EXAMPLE / "example-key.pub").read_text().strip() == KEY.to_base64()
    manifest = yaml.safe_load((EXAMPLE / "secret.yaml").read_text())
    assert opened(manifest, SESSION) == {"OPENAI_API_KEY": b"sk-example-not-a-real-key"}
    assert theazo("verify", EXAMPLE / "secret.yaml").code == 0


def test_the_objects_belong_together() -> None:
    listed = yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())["resources"]
    assert {file.name for file in EXAMPLE.glob("*.yaml")} == {"kustomization.yaml", *listed}
    objects = [yaml.safe_load((EXAMPLE / name).read_text()) for name in listed]
    assert {item["metadata"]["namespace"] for item in objects} == {PLATFORM}
    session, secret, agent = objects
    assert session["metadata"]["name"] == secret["metadata"]["name"] == agent["spec"]["sessionRef"]["name"] == SESSION
    assert agent["metadata"]["name"] == AGENT
    assert {each["name"] for each in agent["spec"]["secrets"]} == set(secret["spec"]["encryptedData"])
