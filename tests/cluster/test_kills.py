"""SIGKILL before and after each write of the operator lands: nothing is lost, nothing is doubled, nothing is left."""

import base64
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Api, path
from tests.support.cluster import OPERATOR, SYSTEM, bind, new_platform, wait_until
from tests.support.kills import COMMAND, DECLARED, Ground, Victim
from tests.support.manifests import agent, session
from tests.support.operator import OperatorProcess, write_kubeconfig
from tests.support.proxy import Fate, Hold, Proxy
from tests.support.sealing import public_key, sealed_secret
from tests.support.watches import Seen
from theazo_operator.opening import Keyring

pytestmark = pytest.mark.cluster
BOTH = (Fate.LOST, Fate.LANDED)


@pytest.fixture(scope="module")
def proxy(kubeconfig: Path) -> Iterator[Proxy]:
    with Proxy(kubeconfig) as running:
        yield running


@pytest.fixture
def ground(platform: str, api: Api, proxy: Proxy, kubeconfig: Path, tmp_path: Path) -> Iterator[Ground]:
    proxy.next_life()
    by_proxy = write_kubeconfig(tmp_path / "kubeconfig", kubeconfig, api.token_of(SYSTEM, OPERATOR), proxy.url)
    with OperatorProcess(by_proxy, tmp_path / "log") as operator, Seen(api, platform) as seen:
        api.create(session("alice", platform)).ok()
        found = Ground(api, platform, operator, proxy, seen)
        found.set_values(A="one", C="two", D="undeclared")
        yield found


def make_agents(ground: Ground, victims: Iterable[Victim], **spec: Any) -> None:
    for victim in victims:
        ground.create(
            agent(victim.name, ground.platform, "alice", DECLARED, command=COMMAND, startDeadlineSeconds=90, **spec)
        )


def assert_all_writes_were_held(victims: list[Victim]) -> None:
    """Of each fate there is an agent that finished before its write came: so all earlier writes were held."""
    unheld = {victim.hold.fate for victim in victims if not victim.hold.reached}
    assert unheld == {victim.hold.fate for victim in victims}, "there are more writes than this test kills at"


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
    make_agents(ground, victims, restartPolicy=restart_policy)
    ground.kill_at_all(victims, ground.finished)
    assert_all_writes_were_held(victims)
    ground.set_values(A="three", C="four", D="undeclared")
    ground.heal(victims, ground.finished)
    ground.assert_each_ran_once(victims)
    ground.assert_no_secret_outlived_its_use(90)


def test_a_second_kill_while_it_heals(ground: Ground) -> None:
    fates = (Fate.LOST, Fate.LANDED)
    first = {(n, m): ground.hold(f"a-{n}-{m}", n, fates[m % 2]) for n in (1, 2, 3) for m in (1, 2, 3, 4)}
    make_agents(ground, first.values())
    ground.kill_at_all(first.values(), ground.finished)
    second = [ground.hold(victim.name, m, fates[n % 2]) for (n, m), victim in first.items()]
    ground.operator.start()
    ground.kill_at_all(second, ground.finished)
    ground.set_values(A="three", C="four", D="undeclared")
    ground.heal(second, ground.finished)
    ground.assert_each_ran_once(second)
    ground.assert_no_secret_outlived_its_use()


def test_what_was_begun_and_may_not_go_on(ground: Ground) -> None:
    """A Secret was made, then the name is deleted: nothing would use that Secret or take it away later."""
    victims = [ground.hold("secret", 1, Fate.LANDED), ground.hold("pod", 2, Fate.LOST)]
    make_agents(ground, victims)
    ground.kill_at_all(victims, ground.finished)
    wait_until("each has a Secret", lambda: sorted(ground.secrets()) == ["pod", "secret"])
    ground.delete_value("C")
    ground.heal(victims, lambda name: ground.reason(name) == "SecretNotFound")
    ground.assert_no_secret_outlived_its_use()
    assert [ground.seen.pods(victim.name) for victim in victims] == [set(), set()]


def test_a_refused_sandbox(ground: Ground) -> None:
    quotas = f"/api/v1/namespaces/{ground.platform}/resourcequotas"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    ground.api.request("POST", quotas, quota).ok()
    victims = ground.hold_each((Fate.LOST, Fate.LANDED), 5)
    make_agents(ground, victims)
    ground.kill_at_all(victims, lambda _: False)
    ground.heal(victims, lambda name: ground.reason(name) == "SandboxRefused")
    wait_until("a refused sandbox leaves no Secret", lambda: ground.secrets() == [])
    ground.api.delete(f"{quotas}/none").ok()
    for victim in victims:
        ground.until(f"{victim.name} ran", lambda victim=victim: ground.finished(victim.name))  # type: ignore[misc]  # no types in a lambda
    ground.assert_each_ran_once(victims)
    ground.assert_no_secret_outlived_its_use()


@pytest.mark.parametrize("labels", [{}, {"app.kubernetes.io/instance": "argo"}], ids=["untracked", "tracked"])
def test_the_end_of_an_agents_time(ground: Ground, labels: dict[str, str]) -> None:
    """One that GitOps tracks stays, without Pod; any other goes with all that it had."""
    victims = [ground.hold(f"{fate.value}-{n}", n, fate) for fate in (Fate.LOST, Fate.LANDED) for n in (6, 7, 8)]
    for victim in victims:
        manifest = agent(victim.name, ground.platform, "alice", DECLARED, command=COMMAND, ttlSecondsAfterFinished=1)
        manifest["metadata"]["labels"] = labels
        ground.create(manifest)

    def over(name: str) -> bool:
        if not labels:
            return ground.gone(name)
        return ground.finished(name) and ground.api.get(ground.where("Pod", ground.status(name)["podName"])).code == 404

    ground.kill_at_all(victims, over)
    assert any(victim.hold.reached and victim.hold.what.startswith("DELETE") for victim in victims)
    ground.heal(victims, over)
    ground.assert_no_secret_outlived_its_use()
    for victim in victims:
        assert len(ground.seen.pods(victim.name)) == 1, victim.hold
        assert not labels or ground.status(victim.name)["phase"] == "Succeeded", victim.hold


def test_the_sweep_after_a_session(ground: Ground) -> None:
    names = {f"{fate.value}-{policy.lower()}": (fate, policy) for fate in Fate for policy in ("Never", "OnFailure")}
    for name, (_, policy) in names.items():
        ground.create(agent(name, ground.platform, "alice", DECLARED, restartPolicy=policy))
    for name in names:
        wait_until(f"{name} runs", partial(ground.running, name), 90)
    ground.proxy.next_life()
    victims = [ground.hold(name, 1, fate) for name, (fate, _) in names.items()]
    sealed = ground.proxy.hold(f"{ground.platform}/theazosecrets/alice", 1, Fate.LOST)
    ground.api.delete(ground.where("TheazoSession", "alice")).ok()
    ground.kill_at_all(victims, lambda _: False)
    assert sealed.reached
    ground.heal(victims, ground.gone)
    wait_until("the sealed values are gone", lambda: ground.api.get(ground.where("TheazoSecret", "alice")).code == 404)
    ground.assert_no_secret_outlived_its_use()
    wait_until("no Pod is left", lambda: ground.api.get(ground.where("Pod")).ok()["items"] == [], 60)


def test_a_session_that_expires(ground: Ground) -> None:
    holds = [ground.proxy.hold(f"{ground.platform}/theazosessions/{fate.value}", 2, fate) for fate in Fate]
    for hold in holds:
        ground.api.create(session(hold.fate.value, ground.platform, ttlSeconds=3)).ok()
    for hold in holds:
        wait_until(f"{hold} is held", lambda hold=hold: hold.reached)  # type: ignore[misc]  # no types in a lambda
        assert hold.what.startswith("DELETE")
    ground.kill()
    ground.operator.start()
    for fate in Fate:
        where = ground.where("TheazoSession", fate.value)
        wait_until(f"session {fate.value} is gone", lambda where=where: ground.api.get(where).code == 404)  # type: ignore[misc]  # no types in a lambda


def test_a_late_status_undoes_no_record(ground: Ground) -> None:
    """It says that the agent waits. Believed after the Pod of the agent's one run is gone, it would start another."""
    # An agent that the operator finds when it first looks is cleared up after: so let it have looked.
    ground.create(agent("early", ground.platform, "alice", ["MISSING"]))
    wait_until("the operator has found its agents", lambda: "phase" in ground.status("early"))
    victim = ground.hold("late", 1, Fate.LAST)
    ground.create(agent("late", ground.platform, "alice", [*DECLARED, "MISSING"], command=COMMAND))
    ground.kill_at_all([victim], ground.finished)
    assert victim.hold.what.startswith("PATCH")
    ground.set_values(A="three", C="four", MISSING="five")
    ground.operator.start()
    ground.until("the agent ran", lambda: ground.finished("late"))
    status = ground.status("late")
    ground.api.delete(ground.where("Pod", status["podName"])).ok()
    wait_until("its Pod is gone", lambda: ground.api.get(ground.where("Pod", status["podName"])).code == 404)
    assert ground.proxy.let_land(victim.hold) == 422
    assert ground.status("late") == status


def is_now(ground: Ground, kind: str, reason: str) -> None:
    for fate in BOTH:
        wait_until(f"{kind} {fate.value} is {reason}", lambda fate=fate: ground.reason(fate.value, kind) == reason)  # type: ignore[misc]  # no types in a lambda


def hold_both(ground: Ground, plural: str) -> list[Hold]:
    return [ground.proxy.hold(f"{ground.platform}/{plural}/{fate.value}", 1, fate) for fate in BOTH]


def kill_at(ground: Ground, holds: list[Hold], verb: str) -> None:
    for hold in holds:
        wait_until(f"{hold} is held", lambda hold=hold: hold.reached)  # type: ignore[misc]  # no types in a lambda
        assert hold.what.startswith(verb), hold
    ground.kill()
    ground.operator.start()


def test_a_session_and_its_sealed_values(ground: Ground) -> None:
    """What is on record of each, and at the end the deletion of the values."""
    holds = hold_both(ground, "theazosessions")
    for fate in BOTH:
        ground.api.create(session(fate.value, ground.platform)).ok()
    kill_at(ground, holds, "PATCH")
    is_now(ground, "TheazoSession", "Active")
    holds = hold_both(ground, "theazosecrets")
    for fate in BOTH:
        ground.api.create(sealed_secret(ground.api, ground.platform, fate.value, {"A": "one"})).ok()
    kill_at(ground, holds, "PATCH")
    is_now(ground, "TheazoSecret", "AllEntriesOpen")
    ground.proxy.next_life()
    holds = hold_both(ground, "theazosecrets")
    for fate in BOTH:
        ground.api.delete(ground.where("TheazoSession", fate.value)).ok()
    kill_at(ground, holds, "DELETE")
    for fate in BOTH:
        where = ground.where("TheazoSecret", fate.value)
        wait_until(f"the values of {fate.value} are gone", lambda where=where: ground.api.get(where).code == 404)  # type: ignore[misc]  # no types in a lambda


@pytest.fixture
def home(installed: None, api: Api) -> Iterator[tuple[str, str]]:  # noqa: ARG001 - the kinds have to be there
    """A namespace where no operator ever was, and the one platform that an operator there serves."""
    names = (f"home-{uuid4().hex[:8]}", f"only-{uuid4().hex[:8]}")
    for name in names:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).ok()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": OPERATOR, "namespace": names[0]}}
    api.create(account).ok()
    for name in names:
        bind(api, name, OPERATOR, "cluster-admin", (names[0], OPERATOR))
    yield names
    for name in names:
        api.delete(path("Namespace", name=name)).ok()


@pytest.mark.parametrize("fate", BOTH)
def test_the_first_master_key(
    fate: Fate, home: tuple[str, str], api: Api, proxy: Proxy, kubeconfig: Path, tmp_path: Path
) -> None:
    """An operator that finds none makes one; killed at that, it makes no second one beside what is there."""
    namespace, platform = home
    where = path("Secret", namespace, "theazo-master-key")
    proxy.next_life()
    hold = proxy.hold(f"{namespace}/secrets/theazo-master-key", 1, fate)
    by_proxy = write_kubeconfig(tmp_path / "kubeconfig", kubeconfig, api.token_of(namespace, OPERATOR), proxy.url)
    operator = OperatorProcess(by_proxy, tmp_path / "log", namespace=namespace, THEAZO_PLATFORM=platform)
    try:
        operator.start(wait=False)
        wait_until(f"{hold} is held", lambda: hold.reached, 60)
        operator.kill()
        proxy.next_life()
        before = api.get(where)
        assert before.code == (200 if fate is Fate.LANDED else 404)
        operator.start()
        made = api.get(where).ok()["data"]
        assert before.code == 404 or made == before.body["data"]
        published = path("ConfigMap", namespace, f"sealing-key-{platform}")
        wait_until("the platform's key is published", lambda: api.get(published).code == 200)
        keyring = Keyring({int(number): base64.b64decode(text) for number, text in made.items()})
        assert api.get(published).ok()["data"]["keyId"] == keyring.public_key(platform).key_id
    finally:
        operator.kill()


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.LANDED])
def test_the_publication_of_a_key(ground: Ground, fate: Fate) -> None:
    ground.kill()
    with new_platform(ground.api) as name:
        hold = ground.proxy.hold(f"{SYSTEM}/configmaps/sealing-key-{name}", 1, fate)
        ground.operator.start()
        wait_until(f"{hold} is held", lambda: hold.reached)
        ground.kill()
        ground.operator.start()
        assert public_key(ground.api, name) != public_key(ground.api, ground.platform)
