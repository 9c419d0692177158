"""Manifests with one thing wrong each, and what the API server has to say of it."""

from typing import Any, NamedTuple

from tests.support.api import Manifest
from tests.support.manifests import LONGEST, SHORTEST, agent, ciphertext, entry, secret, session

INT32_MAX = 2_147_483_647
#: RFC 3339 sets no limit to the digits of a fraction.
LONG_TIME = f"2026-05-01T10:00:00.{'0' * 20}Z"
DNS_LABEL = "DNS label of at most 52 characters: use lower-case letters"


class Wrong(NamedTuple):
    """A manifest with one thing wrong, and what the refusal has to say of it: where it is and what to do."""

    id: str
    manifest: Manifest
    where: str
    says: str


def without(manifest: Manifest, *names: str) -> Manifest:
    return manifest | {"spec": {key: value for key, value in manifest["spec"].items() if key not in names}}


def entries(**changes: Any) -> Manifest:
    return secret(entries={"KEY": {key: value for key, value in entry(**changes).items() if value is not None}})


NAMES = [
    Wrong(f"{make.__name__}-{name_id}", make(name), "metadata.name", says)
    for make in (session, secret, agent)
    for name_id, name, says in (
        ("name-too-long", "a" * 53, DNS_LABEL),
        ("name-dotted", "alice.example", DNS_LABEL),
        ("name-upper-case", "Alice", "must consist of lower case alphanumeric characters"),
    )
]
SESSIONS = [
    Wrong("no-spec", {key: value for key, value in session().items() if key != "spec"}, "spec", "Required value"),
    Wrong("no-user", without(session(), "user"), "spec.user", "Required value"),
    Wrong("user-empty", session(user=""), "spec.user", "at least 1 chars long"),
    Wrong("user-too-long", session(user="u" * 257), "spec.user", "may not be more than 256"),
    Wrong("user-number", session(user=7), "spec.user", "must be of type string"),
    Wrong("sealing-id-empty", session(sealingId=""), "spec.sealingId", "at least 1 chars long"),
    Wrong("sealing-id-too-long", session(sealingId="i" * 64), "spec.sealingId", "may not be more than 63"),
    Wrong("sealing-id-slash", session(sealingId="a/b"), "spec.sealingId", "must be letters, digits, '.', '_' and '-'"),
    Wrong("sealing-id-dash-last", session(sealingId="a-"), "spec.sealingId", "with a letter or digit first and last"),
    Wrong("ttl-zero", session(ttlSeconds=0), "spec.ttlSeconds", "greater than or equal to 1"),
    Wrong("ttl-over-a-year", session(ttlSeconds=31_536_001), "spec.ttlSeconds", "less than or equal to 31536000"),
    Wrong("ttl-fraction", session(ttlSeconds=1.5), "spec.ttlSeconds", "must be of type integer"),
    Wrong("ttl-text", session(ttlSeconds="1h"), "spec.ttlSeconds", "must be of type integer"),
    Wrong("unknown-field", session(users=["a"]), "spec.users", "unknown field"),
]
SECRETS = [
    Wrong("no-spec", {key: value for key, value in secret().items() if key != "spec"}, "spec", "Required value"),
    Wrong("no-data", without(secret(), "encryptedData"), "spec.encryptedData", "Required value"),
    Wrong("data-list", secret(encryptedData=["KEY"]), "spec.encryptedData", "must be of type object"),
    Wrong("entry-text", secret(entries={"KEY": "sk-live"}), "spec.encryptedData.KEY", "must be of type object"),
    Wrong("entry-unknown-field", entries(value="x"), "spec.encryptedData.KEY.value", "unknown field"),
    Wrong("stringData", secret(stringData={"KEY": "x"}), "spec.stringData", "unknown field"),
    Wrong("no-ciphertext", entries(ciphertext=None), "spec.encryptedData.KEY.ciphertext", "Required value"),
    Wrong("no-created-at", entries(createdAt=None), "spec.encryptedData.KEY.createdAt", "Required value"),
    Wrong("no-updated-at", entries(updatedAt=None), "spec.encryptedData.KEY.updatedAt", "Required value"),
    Wrong("created-at-words", entries(createdAt="yesterday"), "KEY.createdAt", "must be of type date-time"),
    Wrong("created-at-long", entries(createdAt=LONG_TIME), "KEY.createdAt", "may not be more than 40"),
    Wrong("updated-at-long", entries(updatedAt=LONG_TIME), "KEY.updatedAt", "may not be more than 40"),
    Wrong("updated-at-no-zone", entries(updatedAt="2026-05-01T10:00:00"), "KEY.updatedAt", "of type date-time"),
    Wrong("updated-at-number", entries(updatedAt=1_700_000_000), "KEY.updatedAt", "of type date-time"),
    Wrong("not-sealed", entries(sealed="sk-live-" + "x" * 2000), "ciphertext", "Seal it with `theazo seal`"),
    Wrong(
        "other-suite", entries(sealed=SHORTEST.replace("xwing", "x25519")), "ciphertext", "must begin with thz1.xwing"
    ),
    Wrong("other-version", entries(sealed=SHORTEST.replace("thz1", "thz2")), "ciphertext", "must begin with thz1."),
    Wrong("cut-off", entries(sealed=SHORTEST[:-1]), "ciphertext", "cut off, or its value is not sealed. Seal"),
    Wrong("folded", entries(sealed=SHORTEST + " AA"), "ciphertext", "has white space in it. Put it on one line"),
    Wrong("block", entries(sealed=SHORTEST + "\n"), "ciphertext", "has white space in it. Put it on one line"),
    Wrong("over-64-KiB", entries(sealed=ciphertext(LONGEST + 1)), "ciphertext", "may not be more than 88941"),
    Wrong(
        "over-900-KiB",
        secret(entries={f"K{i}": entry(ciphertext(LONGEST)) for i in range(11)}),
        "spec.encryptedData",
        "must not have more than 921600 characters (900 KiB) in all. Store large values elsewhere",
    ),
    Wrong(
        "257-names",
        secret(entries={f"K{i}": entry() for i in range(257)}),
        "spec.encryptedData",
        "must have at most 256 items",
    ),
    *(
        Wrong(
            f"name-{name_id}", secret(entries={name: entry()}), "spec.encryptedData", "a secret's name must be letters"
        )
        for name_id, name in (
            ("empty", ""),
            ("digit-first", "1KEY"),
            ("dash", "API-KEY"),
            ("dot", "API.KEY"),
            ("line-break", "KEY\n"),
            ("equals", "KEY=sk-live"),
            ("umlaut", "SCHLÜSSEL"),
            ("too-long", "K" * 129),
        )
    ),
    *(
        Wrong(
            f"reserved-{name}", secret(entries={name: entry()}), "spec.encryptedData", "a reserved name, such as PATH"
        )
        for name in ("PATH", "HOME", "_", "LD_PRELOAD", "PYTHONSTARTUP", "NODE_OPTIONS", "KUBERNETES_X", "THEAZO_X")
    ),
]
AGENTS = [
    Wrong("no-spec", {key: value for key, value in agent().items() if key != "spec"}, "spec", "Required value"),
    Wrong("no-session", without(agent(), "sessionRef"), "spec.sessionRef", "Required value"),
    Wrong("session-no-name", agent(sessionRef={}), "spec.sessionRef.name", "Required value"),
    Wrong("session-text", agent(sessionRef="alice"), "spec.sessionRef", "must be of type object"),
    Wrong("session-elsewhere", agent(sessionRef={"name": "a", "namespace": "b"}), "namespace", "unknown field"),
    Wrong("session-dotted", agent(session_name="a.b"), "spec.sessionRef.name", "must be the name of a TheazoSession"),
    Wrong("session-empty", agent(session_name=""), "spec.sessionRef.name", "at least 1 chars long"),
    Wrong("session-too-long", agent(session_name="a" * 53), "spec.sessionRef.name", "may not be more than 52"),
    Wrong("no-compute", without(agent(), "compute"), "spec.compute", "Required value"),
    Wrong("compute-image", agent(compute="python:3.13"), "spec.compute", "must be the name of a PodTemplate"),
    Wrong("compute-path", agent(compute="../python"), "spec.compute", "must be the name of a PodTemplate"),
    Wrong("compute-empty", agent(compute=""), "spec.compute", "at least 1 chars long"),
    Wrong("compute-too-long", agent(compute="c" * 64), "spec.compute", "may not be more than 63"),
    Wrong(
        "secrets-texts", agent() | {"spec": agent()["spec"] | {"secrets": ["KEY"]}}, "spec.secrets[0]", "of type object"
    ),
    Wrong("secrets-twice", agent(secrets=["KEY", "KEY"]), "spec.secrets[1]", "Duplicate value"),
    Wrong("secrets-257", agent(secrets=[f"K{i}" for i in range(257)]), "spec.secrets", "must have at most 256 items"),
    Wrong("secret-no-name", agent(secrets=[{"from": "KEY"}]), "spec.secrets[0].name", "Required value"),
    Wrong("secret-value", agent(secrets=[{"name": "KEY", "value": "sk"}]), "spec.secrets[0].value", "unknown field"),
    Wrong("secret-digit", agent(secrets=["1KEY"]), "spec.secrets[0].name", "must not begin with a digit"),
    Wrong("secret-empty", agent(secrets=[""]), "spec.secrets[0].name", "at least 1 chars long"),
    Wrong("secret-too-long", agent(secrets=["K" * 129]), "spec.secrets[0].name", "may not be more than 128"),
    Wrong("secret-reserved", agent(secrets=["OK", "PATH"]), "spec.secrets[1].name", "reserved"),
    Wrong("secret-reserved-prefix", agent(secrets=["LD_X"]), "spec.secrets[0].name", "name the secret in `from`"),
    Wrong("from-dash", agent(secrets=[{"name": "KEY", "from": "API-KEY"}]), "spec.secrets[0].from", "must be letters"),
    Wrong("from-empty", agent(secrets=[{"name": "KEY", "from": ""}]), "spec.secrets[0].from", "at least 1 chars long"),
    Wrong(
        "from-too-long", agent(secrets=[{"name": "K", "from": "K" * 129}]), "secrets[0].from", "not be more than 128"
    ),
    Wrong("optional-text", agent(secrets=[{"name": "K", "optional": "yes"}]), "optional", "must be of type boolean"),
    Wrong("command-text", agent(command="python3 x.py"), "spec.command", "must be of type array"),
    Wrong("command-empty", agent(command=[]), "spec.command", "should have at least 1 items"),
    Wrong("command-number", agent(command=["sleep", 5]), "spec.command[1]", "must be of type string"),
    Wrong("command-nul", agent(command=["a\0b"]), "spec.command[0]", "must not hold a NUL character"),
    Wrong("command-long-word", agent(command=["x" * 32_769]), "spec.command[0]", "may not be more than 32768"),
    Wrong("args-nul", agent(args=["a\0b"]), "spec.args[0]", "must not hold a NUL character"),
    Wrong("command-257", agent(command=["x"] * 257), "spec.command", "must have at most 256 items"),
    Wrong("args-long-word", agent(args=["x" * 32_769]), "spec.args[0]", "may not be more than 32768"),
    Wrong("args-257", agent(args=["x"] * 257), "spec.args", "must have at most 256 items"),
    Wrong("words-too-long", agent(command=["x" * 32_768] * 2, args=["x" * 32_768] * 2 + ["x"]), "spec", "from a file"),
    Wrong("words-of-a-mebibyte", agent(command=["x" * 32_768] * 16, args=["y" * 32_768] * 16), "spec", "128 KiB"),
    Wrong("words-too-long-in-bytes", agent(args=["\u00e9" * 32_768, "\u00e9" * 32_768, "x"]), "spec", "131072 bytes"),
    Wrong("env", agent(env=[{"name": "KEY", "value": "sk"}]), "spec.env", "unknown field"),
    *(
        Wrong(f"{kind}-{amount_id}", agent(resources={kind: amounts}), f"spec.resources.{kind}", says)
        for kind in ("limits", "requests")
        for amount_id, amounts, says in (
            ("unknown", {"cpus": 1}, "Correct the name"),
            ("words", {"cpu": "two"}, "must be a quantity"),
            ("negative", {"cpu": -1}, "must be a quantity"),
            ("too-long", {"cpu": "1" * 33}, "may not be more than 32"),
            ("17", {f"example.com/{i}": 1 for i in range(17)}, "must have at most 16 items"),
        )
    ),
    Wrong("limit-fraction", agent(resources={"limits": {"cpu": 0.5}}), "spec.resources.limits.cpu", "integer,string"),
    Wrong("request-list", agent(resources={"requests": ["cpu"]}), "spec.resources.requests", "must be of type object"),
    Wrong(
        "request-over-limit",
        agent(resources={"requests": {"memory": "1Gi"}, "limits": {"memory": "256Mi"}}),
        "spec.resources.requests",
        "Lower the request or raise the limit",
    ),
    Wrong("restart", agent(restartPolicy="never"), "spec.restartPolicy", 'supported values: "Never", "OnFailure", "Al'),
    Wrong("deadline-zero", agent(activeDeadlineSeconds=0), "spec.activeDeadlineSeconds", "greater than or equal to 1"),
    Wrong("deadline-over", agent(activeDeadlineSeconds=INT32_MAX + 1), "activeDeadlineSeconds", "equal to 2147483647"),
    Wrong("ttl-over", agent(ttlSecondsAfterFinished=INT32_MAX + 1), "ttlSecondsAfterFinished", "equal to 2147483647"),
    Wrong("ttl-negative", agent(ttlSecondsAfterFinished=-1), "spec.ttlSecondsAfterFinished", "than or equal to 0"),
    Wrong(
        "secrets-deadline-zero", agent(secretsDeadlineSeconds=0), "spec.secretsDeadlineSeconds", "than or equal to 1"
    ),
    Wrong("secrets-deadline-over", agent(secretsDeadlineSeconds=86_401), "secretsDeadlineSeconds", "equal to 86400"),
    Wrong("start-deadline-zero", agent(startDeadlineSeconds=0), "spec.startDeadlineSeconds", "or equal to 1"),
    Wrong("start-deadline-over", agent(startDeadlineSeconds=86_401), "spec.startDeadlineSeconds", "or equal to 86400"),
    Wrong("unknown-field", agent(image="python"), "spec.image", "unknown field"),
]
WRONG = [*NAMES, *SESSIONS, *SECRETS, *AGENTS]
