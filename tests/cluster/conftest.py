"""What all tests on the cluster share: a connection, the product installed, and a platform for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import ApiClient

from hack.cluster import paths
from hack.cluster.shell import ClusterError
from tests.support.api import Api, connect
from tests.support.cluster import OPERATOR, SYSTEM, Kubectl, bind, install, new_platform, wait_until
from tests.support.operator import OperatorProcess, write_kubeconfig
from tests.support.rest import Rest
from tests.support.service import ApiProcess, api_kubeconfig, new_api_key
from tests.support.stage import NOWHERE, Stage, compute


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The kubeconfig of the cluster that the caller brought, or else of the project's own."""
    try:
        paths.refuse_foreign("install the product there, kill its operator and take its master key away for a while")
    except ClusterError as error:
        pytest.fail(str(error), pytrace=False)
    found = paths.kubeconfig()
    if not found.exists():
        pytest.fail(f"no cluster to test on: {found} is not there; run: make cluster", pytrace=False)
    return found


@pytest.fixture(scope="session")
def api_client(kubeconfig: Path) -> ApiClient:
    """The official client, as the cluster's administrator."""
    return connect(kubeconfig)


@pytest.fixture(scope="session")
def api(api_client: ApiClient) -> Api:
    """The API server as its administrator sees it."""
    return Api(api_client)


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    """kubectl as the cluster's administrator: `kubectl(*args, input=None)` returns stdout."""
    return Kubectl(kubeconfig)


@pytest.fixture(scope="session")
def installed(kubectl: Kubectl, api: Api, request: pytest.FixtureRequest) -> None:
    """The product, installed as its users install it, but without a running operator.

    So a test has the cluster to itself or runs an operator of its own. Parametrize it indirectly with 1 for the
    Deployment as users have it.
    """
    install(kubectl, api, replicas=getattr(request, "param", 0))


@pytest.fixture
def platform(installed: None, api: Api) -> Iterator[str]:  # noqa: ARG001 - it has to be there
    """A platform of the test's own: its name, which is also the namespace's."""
    with new_platform(api) as name:
        yield name


@pytest.fixture
def stage(platform: str, api: Api, kubectl: Kubectl) -> Stage:
    """The test's own platform, with short words for what tests do in it."""
    return Stage(api, kubectl, platform)


@pytest.fixture(scope="module")
def nowhere(installed: None, api: Api) -> Iterator[str]:  # noqa: ARG001 - it has to be there
    """A compute whose sandboxes no node takes: for what happens before, without the cost of a container."""
    with compute(api, nodeSelector=NOWHERE) as name:
        yield name


@pytest.fixture
def other(installed: None, api: Api) -> Iterator[str]:  # noqa: ARG001 - it has to be there
    """Another platform, of somebody else."""
    with new_platform(api, "victim") as name:
        yield name


@pytest.fixture
def other_stage(other: str, api: Api, kubectl: Kubectl) -> Stage:
    """The platform `other`, with short words for what tests do in it."""
    return Stage(api, kubectl, other)


@pytest.fixture(scope="session")
def operator(installed: None, api: Api) -> Api:  # noqa: ARG001 - it has to be there
    """The API server as the operator sees it, with a token of its own ServiceAccount."""
    return api.with_token(api.token_of(SYSTEM, OPERATOR))


@pytest.fixture(scope="session")
def operator_kubeconfig(
    installed: None,  # noqa: ARG001 - it has to be there
    api: Api,
    kubeconfig: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A kubeconfig with the operator's own rights."""
    target = tmp_path_factory.mktemp("operator") / "kubeconfig"
    return write_kubeconfig(target, kubeconfig, api.token_of(SYSTEM, OPERATOR))


@pytest.fixture(scope="module")
def running_operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator as a process, for all tests of a module."""
    with OperatorProcess(operator_kubeconfig, tmp_path_factory.mktemp("operator") / "log") as process:
        yield process


@pytest.fixture(scope="session")
def service_kubeconfig(
    installed: None,  # noqa: ARG001 - it has to be there
    api: Api,
    kubeconfig: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A kubeconfig with the REST API's own rights."""
    return api_kubeconfig(api, kubeconfig, tmp_path_factory.mktemp("api") / "kubeconfig")


@pytest.fixture(scope="module")
def service(service_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """The REST API as a process, for all tests of a module."""
    with ApiProcess(service_kubeconfig, tmp_path_factory.mktemp("api") / "log") as process:
        yield process


@pytest.fixture
def rest(
    service: ApiProcess,
    running_operator: OperatorProcess,  # noqa: ARG001 - it publishes the platform's sealing key
    platform: str,
    api: Api,
) -> Rest:
    """The REST API with a key of the test's own platform, once both are served."""
    return served(service, platform, api)


@pytest.fixture
def foreign(
    service: ApiProcess,
    running_operator: OperatorProcess,  # noqa: ARG001 - it publishes the platform's sealing key
    other: str,
    api: Api,
) -> Rest:
    """The REST API with a key of somebody else's platform, which is `other`."""
    return served(service, other, api)


def served(service: ApiProcess, platform: str, api: Api) -> Rest:
    """A client of a platform, once the API knows its key and the operator has published the one for sealing."""
    client = Rest(service.url, new_api_key(api, platform))
    wait_until(f"{platform} is served", lambda: client.get("/v1/sealing-key").status == 200)
    return client


@pytest.fixture
def tenant(platform: str, api: Api) -> Api:
    """The API server as the platform's own administrator sees it: all that a namespace's owner usually may do."""
    api.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant", "namespace": platform}}
    ).ok()
    bind(api, platform, "tenant", "admin", (platform, "tenant"))
    return api.with_token(api.token_of(platform, "tenant"))
