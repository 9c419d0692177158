"""Whether Secrets are encrypted in etcd. No API says so; the API server's metrics tell what it did since it started.

An API server with an EncryptionConfiguration counts each Secret that it wrote, by the provider's prefix:
`k8s:enc:secretbox:v1:` and the like, or an empty one for the provider `identity`. One without counts nothing.
"""

import re
from collections.abc import Iterator

from theazo.cli.cluster import Denied
from theazo.cli.doctor_scene import Scene
from theazo.cli.findings import Finding, fail, ok, unread, warn

_COUNTER = "apiserver_storage_transformation_operations_total"
_CONFIGURED = "apiserver_encryption_config_controller_last_config_info"
_SAMPLE = re.compile(rf"^{_COUNTER}{{([^}}]*)}} (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_PROVIDER = re.compile(r"k8s:enc:([a-z]+):")
_REMEDY = "encrypt `secrets` at rest, with a KMS where you can: docs/install.md, The cluster around it"


def encryption(scene: Scene) -> Iterator[Finding]:
    """What the metrics of the API server that answers say about Secrets."""
    try:
        text = scene.cluster.get_text("/metrics", "read the API server's metrics")
    except Denied:
        text = None
    if text is None:
        yield unread("encryption", "your account may not read /metrics of the API server; ask who runs the cluster")
    else:
        yield judge(text)


def judge(metrics: str) -> Finding:
    """What the metrics' text says."""
    written = _written(metrics)
    providers = sorted({found[1] for prefix in written if (found := _PROVIDER.match(prefix))})
    if "" in written and providers:
        text = f"since it started the API server wrote Secrets encrypted ({', '.join(providers)}) and unencrypted too"
        return warn("encryption", text, "write all anew: kubectl get secrets -A -o json | kubectl replace -f -")
    if "" in written:
        return fail("encryption", "the API server writes Secrets to etcd unencrypted (provider identity)", _REMEDY)
    if providers:
        return ok("encryption", f"the API server that answered writes Secrets encrypted, with {', '.join(providers)}")
    if f"\n{_CONFIGURED}" in metrics:
        unwritten = "encryption at rest is configured; whether for Secrets is not known before one is written"
        return warn("encryption", unwritten, "run this again after an agent was started")
    return warn("encryption", "no sign that Secrets are encrypted in etcd", _REMEDY)


def _written(metrics: str) -> set[str]:
    """The prefixes of the providers that Secrets were written with."""
    samples = ((dict(_LABEL.findall(labels)), count) for labels, count in _SAMPLE.findall(metrics))
    return {labels["transformer_prefix"] for labels, count in samples if count != "0" and _is_write_of_secrets(labels)}


def _is_write_of_secrets(labels: dict[str, str]) -> bool:
    wanted = {"resource": "secrets", "status": "OK", "transformation_type": "to_storage"}
    return "transformer_prefix" in labels and all(labels.get(name) == value for name, value in wanted.items())
