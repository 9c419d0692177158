"""Where each kind lives in the API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A namespaced kind, or a cluster-scoped one that is never addressed with a namespace."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Build the path of a collection or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{scope}/{self.plural}{f'/{name}' if name else ''}"


AGENTS = Resource("theazo.dev", "v1alpha1", "theazoagents")
SESSIONS = Resource("theazo.dev", "v1alpha1", "theazosessions")
THEAZO_SECRETS = Resource("theazo.dev", "v1alpha1", "theazosecrets")
PODS = Resource("", "v1", "pods")
SECRETS = Resource("", "v1", "secrets")
CONFIG_MAPS = Resource("", "v1", "configmaps")
POD_TEMPLATES = Resource("", "v1", "podtemplates")
NAMESPACES = Resource("", "v1", "namespaces")
