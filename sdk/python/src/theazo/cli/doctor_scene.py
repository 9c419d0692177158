"""What the checks of `theazo doctor` share."""

from dataclasses import dataclass
from typing import Any

from theazo.cli.cluster import Cluster, Denied, items, segment
from theazo.cli.registry import LABEL


@dataclass(frozen=True, slots=True)
class Scene:
    """The cluster, and what every check needs of it.

    Args:
        cluster: Where to ask.
        home: The operator's namespace.
        platforms: The namespaces with the label; None where the account may not list namespaces.
    """

    cluster: Cluster
    home: str
    platforms: list[dict[str, Any]] | None

    @property
    def names(self) -> list[str]:
        """The names of the platforms.

        Raises:
            Denied: if they aren't known.
        """
        if self.platforms is None:
            raise Denied("your account may not list namespaces, so the platforms are not known")
        return [each["metadata"]["name"] for each in self.platforms]

    def deployment(self, name: str) -> dict[str, Any] | None:
        """A Deployment of the operator's namespace; None where there is none."""
        path = f"/apis/apps/v1/namespaces/{segment(self.home)}/deployments/{name}"
        return self.cluster.get(path, f"read the Deployment {name}")


def look(cluster: Cluster, home: str) -> Scene:
    """Asks once for what all checks need.

    Raises:
        Refused: if the cluster can't be asked at all.
    """
    try:
        platforms = items(cluster.get("/api/v1/namespaces", "list the namespaces", labelSelector=LABEL))
    except Denied:
        platforms = None
    return Scene(cluster, home, platforms)
