"""The master key is made once, where none can have been lost; and the public keys that follow from it."""

import base64
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.aio import aio
from tests.support.builders import JSON, SYSTEM, secret_body
from tests.support.fakekube import FakeKube
from theazo.sealing import PublicKey
from theazo_operator.controllers.keys import MasterKeyMissing, PlatformController, load_keyring
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Refused, Unavailable
from theazo_operator.opening import InvalidMasterKey, Keyring
from theazo_operator.resources.meta import Key
from theazo_operator.settings import Settings, parse

ONE, TWO = bytes(range(32)), b"\x02" * 32


def settings(directory: Path | None = None) -> Settings:
    return parse(["--master-key-dir", str(directory)] if directory else [], {})


def stored_keys(keys: dict[str, bytes]) -> JSON:
    data = {name: base64.b64encode(key).decode() for name, key in keys.items()}
    return {"metadata": {"name": "theazo-master-key", "namespace": SYSTEM, "uid": "u"}, "data": data}


def published(platform: str, key_id: str) -> JSON:
    labels = {"theazo.dev/sealing-key": "true"}
    return {
        "metadata": {"name": f"sealing-key-{platform}", "namespace": SYSTEM, "uid": "u", "labels": labels},
        "data": {"platform": platform, "keyId": key_id},
    }


def key_id(master: bytes, platform: str = "acme") -> str:
    return Keyring({1: master}).public_key(platform).key_id


@aio
async def test_the_first_key_is_made_where_nothing_is_sealed_or_published() -> None:
    kube = FakeKube()
    keyring = await load_keyring(kube, settings())
    [made] = kube.all(kind.SECRETS)
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("theazo-master-key", SYSTEM)
    assert list(made["data"]) == ["1"]
    assert len(base64.b64decode(made["data"]["1"])) == 32
    assert "ownerReferences" not in made["metadata"]
    assert keyring.public_key("acme").key_id == key_id(base64.b64decode(made["data"]["1"]))


@aio
async def test_two_first_keys_differ() -> None:
    made = [await load_keyring(FakeKube(), settings()) for _ in range(2)]
    assert len({keyring.public_key("acme").key_id for keyring in made}) == 2


@aio
async def test_a_key_that_is_there_is_read_and_nothing_is_written() -> None:
    kube = FakeKube()
    kube.put(kind.SECRETS, stored_keys({"1": ONE, "2": TWO, "10": b"\x0a" * 32}))
    kube.put(kind.THEAZO_SECRETS, secret_body({"A": "x"}))
    kube.put(kind.CONFIG_MAPS, published("acme", key_id(ONE)))
    keyring = await load_keyring(kube, settings())
    assert keyring.active == 10
    assert key_id(ONE) in keyring.key_ids("acme")
    assert {call.split()[0] for call in kube.calls} <= {"GET", "LIST"}


@pytest.mark.parametrize("there", ["sealed", "published", "both"])
def test_a_key_that_was_lost_is_not_replaced(there: str) -> None:
    @aio
    async def scenario() -> None:
        kube = FakeKube()
        if there in {"sealed", "both"}:
            kube.put(kind.THEAZO_SECRETS, secret_body({}))
        if there in {"published", "both"}:
            kube.put(kind.CONFIG_MAPS, published("acme", key_id(ONE)))
        with pytest.raises(MasterKeyMissing, match="restore the Secret theazo-master-key from its backup"):
            await load_keyring(kube, settings())
        assert kube.all(kind.SECRETS) == []
        assert {call.split()[0] for call in kube.calls} <= {"GET", "LIST"}

    scenario()


@aio
async def test_who_starts_beside_a_stray_sealed_value_learns_where_it_is() -> None:
    kube = FakeKube()
    body = secret_body({})
    kube.put(
        kind.THEAZO_SECRETS, {**body, "metadata": {**body["metadata"], "namespace": "no-platform", "name": "stray"}}
    )
    with pytest.raises(MasterKeyMissing, match="one being the TheazoSecret no-platform/stray, and no Secret"):
        await load_keyring(kube, settings())


@aio
async def test_another_operator_that_was_faster_wins() -> None:
    class Race(FakeKube):
        async def create(self, *args: object, **kwargs: object) -> JSON:
            self.put(kind.SECRETS, stored_keys({"1": ONE}))
            return await super().create(*args, **kwargs)  # type: ignore[arg-type]

    kube = Race()
    keyring = await load_keyring(kube, settings())
    assert keyring.public_key("acme").key_id == key_id(ONE)
    assert kube.calls[-2:] == ["POST secrets", "GET secrets"]


@pytest.mark.parametrize("landed", [False, True])
def test_an_answer_that_was_lost_makes_no_second_key(landed: bool) -> None:  # noqa: FBT001
    @aio
    async def scenario() -> None:
        kube = FakeKube()
        kube.fail("POST secrets", landed=landed)
        with pytest.raises(Unavailable):
            await load_keyring(kube, settings())
        before = kube.all(kind.SECRETS)
        await load_keyring(kube, settings())
        assert len(kube.all(kind.SECRETS)) == 1
        assert not landed or kube.all(kind.SECRETS) == before

    scenario()


@pytest.mark.parametrize("call", ["GET secrets", "LIST theazosecrets", "LIST configmaps"])
def test_what_can_not_be_asked_makes_no_key(call: str) -> None:
    @aio
    async def scenario() -> None:
        kube = FakeKube()
        kube.fail(call, Refused("GET", "x", 403, "Forbidden"))
        with pytest.raises(Refused):
            await load_keyring(kube, settings())
        assert kube.all(kind.SECRETS) == []

    scenario()


@aio
async def test_a_published_key_that_none_of_ours_is_means_a_wrong_backup() -> None:
    kube = FakeKube()
    kube.put(kind.SECRETS, stored_keys({"1": TWO}))
    kube.put(kind.CONFIG_MAPS, published("acme", key_id(ONE)))
    kube.put(kind.CONFIG_MAPS, published("other", key_id(TWO, "other")))
    with pytest.raises(MasterKeyMissing, match="the key published for acme belongs to none"):
        await load_keyring(kube, settings())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "there is no master key"),
        (None, "there is no master key"),
        ({"1": "AAAA"}, "master key 1 has 3 bytes instead of 32"),
        ({"1": "?"}, "entry 1 of Secret theazo-master-key is no base64"),
        ({"first": base64.b64encode(ONE).decode()}, "'first' is no such name"),
        ({"0": base64.b64encode(ONE).decode()}, "numbered from 1"),
        ({"²": base64.b64encode(ONE).decode()}, "'²' is no such name"),
    ],
    ids=["empty", "none", "short", "no base64", "no number", "zero", "no ASCII digit"],
)
def test_a_secret_that_holds_no_master_key(data: JSON | None, says: str) -> None:
    @aio
    async def scenario() -> None:
        kube = FakeKube()
        kube.put(kind.SECRETS, {**stored_keys({}), "data": data})
        with pytest.raises(InvalidMasterKey, match=says):
            await load_keyring(kube, settings())

    scenario()


@aio
async def test_a_mounted_directory(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()  # the kubelet's own
    (tmp_path / "1").write_bytes(ONE)
    (tmp_path / "2").write_bytes(TWO)
    kube = FakeKube()
    kube.put(kind.THEAZO_SECRETS, secret_body({}))
    keyring = await load_keyring(kube, settings(tmp_path))
    assert keyring.active == 2
    assert keyring.key_ids("acme") == {key_id(ONE), key_id(TWO)}
    assert kube.calls == ["LIST configmaps"]


@pytest.mark.parametrize(("name", "says"), [(None, "there is no master key"), ("key.txt", "'key.txt' is no such name")])
def test_a_directory_without_keys(name: str | None, says: str, tmp_path: Path) -> None:
    @aio
    async def scenario() -> None:
        if name:
            (tmp_path / name).write_bytes(ONE)
        with pytest.raises(InvalidMasterKey, match=says):
            await load_keyring(FakeKube(), settings(tmp_path))

    scenario()


@aio
async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidMasterKey, match=r"nowhere can't be read: No such file"):
        await load_keyring(FakeKube(), settings(tmp_path / "nowhere"))


@aio
async def test_a_directory_of_another_cluster(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(TWO)
    kube = FakeKube()
    kube.put(kind.CONFIG_MAPS, published("acme", key_id(ONE)))
    says = f"restore its file from the backup into what is mounted at {tmp_path} "
    with pytest.raises(MasterKeyMissing, match=re.escape(says)) as caught:
        await load_keyring(kube, settings(tmp_path))
    assert "Secret" not in str(caught.value)  # it is never read


# Publishing.


async def publish(kube: FakeKube, keyring: Keyring) -> list[str]:
    """Look at the published key of acme once: the requests."""
    assert await PlatformController(kube, settings(), keyring).publish(Key("", "acme")) == timedelta(minutes=5)
    return kube.taken()


LOOK, WRITE = ["GET configmaps"], ["GET configmaps", "APPLY configmaps"]


@aio
async def test_a_platforms_public_key_is_published_once() -> None:
    kube = FakeKube()
    keyring = Keyring({1: ONE, 2: TWO})
    assert await publish(kube, keyring) == WRITE
    assert await publish(kube, keyring) == LOOK
    [made] = kube.all(kind.CONFIG_MAPS)
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("sealing-key-acme", SYSTEM)
    assert made["metadata"]["labels"]["theazo.dev/sealing-key"] == "true"
    assert made["data"]["platform"] == "acme"
    assert made["data"]["suite"] == "xwing-sha256-aes256gcm"
    assert made["data"]["keyId"] == key_id(TWO)
    assert PublicKey.from_base64(made["data"]["publicKey"]).key_id == key_id(TWO)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"data": None},
        {"data": {"publicKey": None}},
        {"data": {"publicKey": Keyring({1: ONE}).public_key("acme").to_base64()}},
        {"data": {"suite": "other"}},
        {"data": {"platform": "other"}},
        {"data": {"keyId": None}},
        {"data": {"keyId": key_id(ONE)}},
        {"metadata": {"labels": None}},
        None,
    ],
    ids=["no data", "no key", "another key", "suite", "platform", "no id", "an older one", "no label", "gone"],
)
def test_what_is_not_published_as_it_should_be_is_published_again(spoilt: JSON | None) -> None:
    """Also by an operator that was started since, and knows of nothing."""

    @aio
    async def scenario() -> None:
        kube = FakeKube()
        keyring = Keyring({1: ONE, 2: TWO})
        await publish(kube, keyring)
        [good] = kube.all(kind.CONFIG_MAPS)
        if spoilt is None:
            kube.objects.clear()
        else:
            bad = {**good, **{name: {**good[name], **(change or {})} for name, change in spoilt.items()}}
            bad |= {name: None for name, change in spoilt.items() if change is None}
            kube.put(kind.CONFIG_MAPS, _without_none(bad))
        assert await publish(kube, keyring) == WRITE
        [made] = kube.all(kind.CONFIG_MAPS)
        assert made["data"] == good["data"]
        assert made["metadata"]["labels"] == good["metadata"]["labels"]

    scenario()


def _without_none(value: JSON) -> JSON:
    return {
        name: _without_none(each) if isinstance(each, dict) else each
        for name, each in value.items()
        if each is not None
    }


def test_a_key_of_nobody_is_not_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """Something may be sealed to it, and the next start has to tell that its master key is missing."""

    @aio
    async def scenario() -> None:
        kube = FakeKube()
        kube.put(kind.CONFIG_MAPS, published("acme", key_id(TWO)))
        assert await publish(kube, Keyring({1: ONE})) == LOOK

    scenario()
    [record] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.__dict__["platform"] == "acme"
    assert "restore the Secret theazo-master-key" in record.__dict__["error"]


@pytest.mark.parametrize("made", [True, False], ids=["made", "seen"])
def test_a_key_that_somebody_put_in_place_of_ours_is_replaced(*, made: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Authors would seal to it, and only who put it there could open that."""

    @aio
    async def scenario() -> None:
        kube = FakeKube()
        keyring = Keyring({1: ONE})
        controller = PlatformController(kube, settings(), keyring)
        if not made:
            await publish(kube, keyring)
        await controller.publish(Key("", "acme"))
        [good] = kube.all(kind.CONFIG_MAPS)
        theirs = Keyring({1: TWO}).public_key("acme")
        swapped = {**good["data"], "keyId": theirs.key_id, "publicKey": theirs.to_base64()}
        kube.put(kind.CONFIG_MAPS, {**good, "data": swapped})
        await controller.publish(Key("", "acme"))
        [now] = kube.all(kind.CONFIG_MAPS)
        assert now["data"] == good["data"]

    scenario()
    [record] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.__dict__["platform"] == "acme"
    assert "somebody else changed the key" in record.__dict__["error"]


@aio
async def test_what_somebody_added_to_a_published_key_is_left_alone() -> None:
    kube = FakeKube()
    keyring = Keyring({1: ONE})
    await publish(kube, keyring)
    [good] = kube.all(kind.CONFIG_MAPS)
    kube.put(kind.CONFIG_MAPS, {**good, "data": {**good["data"], "theirs": "x"}})
    assert await publish(kube, keyring) == LOOK


@aio
async def test_a_key_that_could_not_be_published_is_tried_again() -> None:
    kube = FakeKube()
    for call in WRITE:
        kube.fail(call)
        with pytest.raises(Unavailable):
            await publish(kube, Keyring({1: ONE}))
    kube.taken()
    assert await publish(kube, Keyring({1: ONE})) == WRITE


@pytest.mark.parametrize(
    "data", [None, {}, {"platform": "Not A Namespace", "keyId": "x"}], ids=["none", "empty", "name"]
)
def test_a_published_key_that_somebody_spoilt_does_not_stop_us(data: JSON | None) -> None:
    @aio
    async def scenario() -> None:
        kube = FakeKube()
        kube.put(kind.CONFIG_MAPS, {**published("acme", "x"), "data": data})
        with pytest.raises(MasterKeyMissing):  # it still shows that there was a master key
            await load_keyring(kube, settings())
        kube.put(kind.SECRETS, stored_keys({"1": ONE}))
        keyring = await load_keyring(kube, settings())
        assert keyring.active == 1

    scenario()
