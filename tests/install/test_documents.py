"""The documents that install, upgrade, restore and remove, run as written, on a cluster that they may empty."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.install.support import CHART, IMAGES, RELEASE, Helm, empty_cluster
from tests.support.api import Api
from tests.support.cluster import SYSTEM, Kubectl
from tests.support.docblocks import Block, DocumentError
from tests.support.docrun import run_document
from tests.support.docs import ALONE, fences
from tests.support.service import new_api_key
from tests.support.stage import Stage

pytestmark = pytest.mark.cluster
PLATFORM = "acme"
VALUE = "sk-1"


class Scenes:
    """What a reader's cluster can be like. Each begins with a cluster without Theazo."""

    def __init__(self, kubectl: Kubectl, helm: Helm, api: Api) -> None:
        self._kubectl = kubectl
        self._helm = helm
        self._api = api
        self._stage = Stage(api, kubectl, PLATFORM)

    def as_it_is(self) -> None:
        """What the section above has left."""

    def nothing(self) -> None:
        """Theazo was never there."""
        empty_cluster(self._kubectl)

    def installed(self) -> None:
        """There is a release, with one platform."""
        self.nothing()
        where = ("--namespace", SYSTEM, "--create-namespace", "--wait")
        self._helm("install", RELEASE, CHART, *where, values={**IMAGES, "platforms": [PLATFORM]})

    def in_use(self) -> None:
        """There is a session too, made as the API makes one, with an agent, and a key of the API."""
        self.installed()
        stage = self._stage
        session = stage.open(sealingId="as-the-api-makes-it")
        owner = {key: session[key] for key in ("apiVersion", "kind")}
        owner |= {key: session["metadata"][key] for key in ("name", "uid")}
        stage.set({"OPENAI_API_KEY": VALUE}, sealing_id="as-the-api-makes-it", ownerReferences=[owner])
        stage.start("report", ["OPENAI_API_KEY"])
        stage.running("report")
        new_api_key(self._api, PLATFORM)

    def restored(self) -> None:
        """Look whether the session's value is there to stay, and reaches an agent."""
        restored = self._stage.get("TheazoSecret", "alice") or {}
        assert "ownerReferences" not in restored["metadata"], "its owner was in the lost cluster: it will be collected"
        self._stage.start("after", ["OPENAI_API_KEY"])
        self._stage.running("after")
        assert self._stage.environment("after")["OPENAI_API_KEY"] == VALUE


#: Sections at whose end the session of `in_use` is there again.
RESTORING = {"Restore", "When the key comes last", "When an operator came first", "On the new cluster"}
#: Of each document: what its reader has before the first line, and before sections that are another case.
BEGIN: Mapping[str, Mapping[str, Callable[[Scenes], None]]] = {
    "backup.md": {
        "": Scenes.in_use,
        "Restore": Scenes.nothing,
        "When the key comes last": Scenes.nothing,
        "When an operator came first": Scenes.installed,
        "Move to another cluster": Scenes.in_use,
        "On the new cluster": Scenes.nothing,
    },
    "install.md": {
        "": Scenes.nothing,
        "One platform only": Scenes.nothing,
        "One platform only, without Helm": Scenes.nothing,
        "With kustomize": Scenes.nothing,
        "Production": Scenes.nothing,
    },
    "upgrade.md": {"": Scenes.in_use, "With kustomize": Scenes.nothing},
}


@pytest.fixture
def scenes(kubectl: Kubectl, helm: Helm, api: Api) -> Iterator[Scenes]:
    """What can be made of the cluster. Afterwards it is empty."""
    made = Scenes(kubectl, helm, api)
    yield made
    made.nothing()


@pytest.fixture
def two_contexts(kubeconfig: Path, tmp_path: Path) -> Path:
    """A kubeconfig with the contexts `old` and `new`. They are one cluster, which is emptied in between."""
    config = yaml.safe_load(kubeconfig.read_text())
    (context,) = config["contexts"]
    config["contexts"] = [context | {"name": name} for name in ("old", "new")]
    config["current-context"] = "old"
    target = tmp_path / "kubeconfig"
    target.write_text(yaml.safe_dump(config))
    return target


@pytest.mark.parametrize("document", ALONE, ids=lambda each: each.name)
def test_a_document_comes_out_as_it_says(document: Path, scenes: Scenes, kubectl: Kubectl, two_contexts: Path) -> None:
    begin = BEGIN[document.name]
    begin[""](scenes)
    begun = [""]

    def before(block: Block) -> None:
        title = block.fence.title
        if title == begun[-1]:
            return
        if begun[-1] in RESTORING:
            scenes.restored()
        begun.append(title)
        begin.get(title, Scenes.as_it_is)(scenes)

    why = ""
    try:
        run_document(document, kubectl, two_contexts, (), before)
    except DocumentError as error:
        why = str(error)
    if why:
        pytest.fail(why, pytrace=False)
    if begun[-1] in RESTORING:
        scenes.restored()


@pytest.mark.parametrize("document", ALONE, ids=lambda each: each.name)
def test_what_begins_anew_is_a_section(document: Path) -> None:
    assert BEGIN[document.name].keys() - {""} <= {fence.title for fence in fences(document)}
