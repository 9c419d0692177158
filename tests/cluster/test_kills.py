"""SIGKILL before and after each write of the operator lands: nothing is lost, nothing is doubled, nothing is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import ApiClient

from tests.support.api import Api
from tests.support.cluster import OPERATOR, SYSTEM, wait_until
from tests.support.kills import COMMAND, DECLARED, Ground
from tests.support.manifests import agent, session
from tests.support.operator import OperatorProcess, write_kubeconfig
from tests.support.podwatch import PodWatch
from tests.support.proxy import Fate, Proxy

pytestmark = pytest.mark.cluster



@pytest.fixture(scope="module")
def proxy(kubeconfig: Path) -> Iterator[Proxy]:
    with Proxy(kubeconfig) as running:
        yield running


@pytest.fixture
def ground(
    platform: str, api: Api, api_client: ApiClient, proxy: Proxy, kubeconfig: Path, tmp_path: Path
) -> Iterator[Ground]:
    proxy.next_life()
    by_proxy = write_kubeconfig(tmp_path / "kubeconfig", kubeconfig, api.token_of(SYSTEM, OPERATOR), proxy.url)
    with OperatorProcess(by_proxy, tmp_path / "log") as operator, PodWatch(api_client, platform) as pods:
        api.create(session("alice", platform)).ok()
        found = Ground(api, platform, operator, proxy, pods)
        found.set_values(A="one", C="two", D="undeclared")
        yield found


@pytest.mark.parametrize(
    ("restart_policy", "fates"),
    [
        ("Never", (Fate.LOST, Fate.LANDED)),
        ("Never", (Fate.LATE, Fate.LAST)),
        ("OnFailure", (Fate.LOST, Fate.LANDED)),
    ],
)
def test_every_write_of_an_agents_life(ground: Ground, restart_policy: str, fates: tuple[Fate, ...]) -> None:
    victims = ground.hold_each(fates, 8)
    for victim in victims:
        ground.create(
            agent(victim.name, ground.platform, "alice", DECLARED, command=COMMAND, restartPolicy=restart_policy)
        )
    ground.kill_at_all(victims, ground.finished)
    unheld = {victim.hold.fate for victim in victims if not victim.hold.reached}
    assert unheld == set(fates), "there are more writes than this test kills at"
    ground.set_values(A="three", C="four", D="undeclared")
    ground.heal(victims, ground.finished)
    print("\n".join(map(str, (v.hold for v in victims)))); print("\n".join(ground.proxy.writes))
    ground.pods.catch_up(ground.api)
    for victim in victims:
        ground.assert_ran_once(victim)
    wait_until("no Secret is left", lambda: ground.secrets() == [], 90)
