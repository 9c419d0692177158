"""Every code block of every document, run on the real cluster as its reader would. CONTRIBUTING.md has the rules."""

import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.support.api import Api, path
from tests.support.cluster import REST_API, ROOT, SYSTEM, Kubectl, install, new_platform, wait_until
from tests.support.docblocks import Block, DocumentError, blocks, namespaces, takes_platform
from tests.support.docrun import run_document
from tests.support.docs import ALONE, DOCUMENTS, fences
from tests.support.rest import Rest
from tests.support.service import KEYS, ApiProcess, new_api_key

pytestmark = pytest.mark.cluster
PROGRAMS = ("curl", "git", "gpg", "jq", "node", "npm")
#: Targets of make that would take too long here, or the cluster away from under us. A document's line with one of them
#: is held to the Makefile by a dry run. On the right is what runs it for real.
ELSEWHERE: Mapping[str, str] = {
    "demo": "tests/cluster/test_demo.py, and `make installed` before it",
    "format": "`make lint` finds what it would change",
    "lint": "`make test`",
    "test": ".ci/run",
    "unit": "`make test`",
}


@pytest.fixture(scope="module")
def product(installed: None, kubectl: Kubectl, api: Api) -> Iterator[None]:  # noqa: ARG001 - else it would come later
    """The operator and the API in the cluster, as users have them. The other tests run their own."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.fail(f"not found: {', '.join(missing)}. Documents use them; install them.", pytrace=False)
    install(kubectl, api, replicas=1)
    kubectl("rollout", "status", f"deployment/{REST_API}", "-n", SYSTEM, "--timeout=120s")
    before = _keys(api)
    yield
    made = dict.fromkeys(_keys(api).keys() - before.keys())
    if made:
        api.merge(path("Secret", SYSTEM, KEYS), {"data": made}).ok()
    install(kubectl, api, replicas=0)


@pytest.fixture
def cleared(request: pytest.FixtureRequest, api: Api) -> Iterator[None]:
    """Without the namespaces that the document makes."""
    document: Path = request.getfixturevalue("document")
    made = namespaces(_known(document))
    for name in made:
        api.delete(path("Namespace", name=name))
    for name in made:
        wait_until(f"namespace {name} is gone", partial(_absent, api, name), 120)
    yield
    for name in made:
        api.delete(path("Namespace", name=name))


@pytest.fixture
def given(request: pytest.FixtureRequest, product: None, api: Api) -> Iterator[Mapping[str, str]]:  # noqa: ARG001 - it has to be there
    """What the document takes for granted, in the environment: a platform's API key and the API's address."""
    document: Path = request.getfixturevalue("document")
    if not takes_platform(_known(document)):
        yield {}
        return
    service: ApiProcess = request.getfixturevalue("service")
    with new_platform(api) as name:
        client = Rest(service.url, new_api_key(api, name))
        wait_until(f"{name} is served", lambda: client.get("/v1/sealing-key").status == 200)
        yield {"THEAZO_API_KEY": client.key, "THEAZO_BASE_URL": service.url}


@pytest.mark.usefixtures("product", "cleared")
@pytest.mark.parametrize(
    "document",
    [each for each in DOCUMENTS if fences(each) and each not in ALONE],
    ids=lambda each: str(each.relative_to(ROOT)),
)
def test_a_document_comes_out_as_it_says(
    document: Path, given: Mapping[str, str], kubectl: Kubectl, kubeconfig: Path
) -> None:
    why = ""
    try:
        run_document(document, kubectl, kubeconfig, ELSEWHERE, given=given)
    except DocumentError as error:
        why = str(error)
    if why:
        pytest.fail(why, pytrace=False)


def test_no_target_is_listed_that_no_document_has() -> None:
    lines = [line for each in DOCUMENTS for fence in fences(each) for line in fence.text.splitlines()]
    assert set(ELSEWHERE) <= {word for line in lines if line.startswith("make ") for word in line.split()}


WHOLE = """\
# A document with everything

Save this as `values/one.json`:

```json
{"a": [1, "x"]}
```

```sh
export A="$GIVEN"
cat values/one.json
```

```text
{"a": …
```

```json
{"a": [2, "y"]}
```

```ts
import type { Theazo } from 'theazo'
const shown: Partial<Theazo> = {}
console.log(process.env['A'], Object.keys(shown).length)
```

```text
1 0
```

```sh
make demo
cd values
export A=2
docker build --target nothing . && exit 1 || true
```

```ts
console.log(process.env['A'], process.cwd().endsWith('/values'), typeof shown)
```

```text
2 true object
```

Save this as `two.mjs`:

```js
import { Theazo } from 'theazo'
console.log(typeof Theazo)
```

```sh
node two.mjs
```

```text
function
```

## Another module

```ts
const shown = 1
console.log(shown)
```
"""
NOTHING_MAKES_IT = "{kind: Namespace, apiVersion: v1, metadata: {name: Upper}}"
ENCRYPTION = (
    "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]"
)


def write(folder: Path, text: str) -> Path:
    document = folder / "document.md"
    document.write_text(text, encoding="utf-8")
    return document


def test_blocks_share_one_environment(kubectl: Kubectl, kubeconfig: Path, tmp_path: Path) -> None:
    run_document(write(tmp_path, WHOLE), kubectl, kubeconfig, ELSEWHERE, given={"GIVEN": "1"})


@pytest.mark.parametrize(
    ("language", "text", "says"),
    [
        ("sh", "kubectl get namespace nowhere-to-be-found", "NotFound"),
        ("sh", "make demo tset", "No rule to make target"),
        ("sh", "docker push nowhere", "docker: the document has not built nowhere"),
        ("python", "import theazo\ntheazo.Theazo()", "THEAZO_API_KEY"),
        ("ts", "const a: number = 'x'", "module.ts(4,7): error TS2322"),
        ("ts", "throw new Error('as it is')", "document.md:4: it failed"),
        ("ts", "setInterval(() => {}, 1000)", "it did not end by itself"),
        ("yaml", NOTHING_MAKES_IT, "metadata.name: Invalid value"),
        ("yaml", "{kind: Rule, apiVersion: v1, metadata: {name: a}}", "no matches for kind"),
        ("yaml", "{kind: PodTemplate, apiVersion: v1, metadata: {name: a, namespace: default}, x: 1}", ".x: field not"),
        ("yaml", "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\nresources: [a]", "accumulating"),
        ("yaml", f"{ENCRYPTION}\n    provider: []", "unknown field"),
        (
            "yaml",
            f"{ENCRYPTION}\n    providers: [{{aesgcm: {{keys: [{{name: a, secret: eA==}}]}}}}]",
            "secret is not of",
        ),
        ("yaml", "a: [", "no such manifest can be applied"),
    ],
)
def test_a_broken_block_fails(
    language: str, text: str, says: str, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    document = write(tmp_path, f"# Broken\n\n```{language}\n{text}\n```\n")
    with pytest.raises(DocumentError, match=r"^document\.md:4: ") as failed:
        run_document(document, kubectl, kubeconfig, ELSEWHERE)
    assert says in str(failed.value)


@pytest.mark.parametrize(
    ("language", "text", "says"),
    [
        ("text", "world", "the last lines that were printed are others"),
        ("json", '{"a": "x"}', "it.a is a number, and a text is shown"),
        ("json", "{", "it is no JSON"),
    ],
)
def test_what_is_not_printed_fails(
    language: str, text: str, says: str, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    printing = """```sh\necho 'hello'; echo '{"a": 1}'\n```"""
    with pytest.raises(DocumentError, match=rf"^document\.md:6: {says}"):
        run_document(write(tmp_path, f"{printing}\n\n```{language}\n{text}\n```\n"), kubectl, kubeconfig, ELSEWHERE)


def _known(document: Path) -> list[Block]:
    try:
        return blocks(document)
    except DocumentError:
        return []  # the test itself says so


def _absent(api: Api, name: str) -> bool:
    return api.get(path("Namespace", name=name)).code == 404


def _keys(api: Api) -> dict[str, object]:
    found = api.get(path("Secret", SYSTEM, KEYS))
    return (found.ok().get("data") or {}) if found.code == 200 else {}
