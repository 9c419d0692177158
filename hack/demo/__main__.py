"""The demo: `make demo`.

three secrets are sealed → an agent declares two → its sandbox shows digests of what it sees
a value is overwritten → the first agent keeps the old one, a second has the new one
a name is deleted → an agent that declares it is refused, with the reason
"""

import hashlib
import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from kubernetes import client, config

from hack.cluster import paths
from hack.cluster.shell import ClusterError
from hack.demo.shell import DemoError, apply, chapter, good, run, show, tell
from hack.demo.watch import SecretWatch

PLATFORM = "acme"
USER = "user_123"
NAMES = ("OPENAI_API_KEY", "STRIPE_SECRET", "DATABASE_URL")
DECLARED = NAMES[:2]

# What runs in the sandbox: it prints digests, never values, and then stays until it is told to go.
PROBE = """\
import hashlib, os, signal
for name in ("OPENAI_API_KEY", "STRIPE_SECRET", "DATABASE_URL"):
    value = os.environ.get(name)
    print(name, hashlib.sha256(value.encode()).hexdigest() if value is not None else "absent", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
"""
REREAD = "import hashlib,os;print(hashlib.sha256(os.environ['OPENAI_API_KEY'].encode()).hexdigest())"


def digest(value: str) -> str:
    """SHA-256 in hex, as the sandbox computes it."""
    return hashlib.sha256(value.encode()).hexdigest()


def agent_manifest(name: str, session: str, declared: tuple[str, ...], deadline: int | None = None) -> str:
    """A TheazoAgent as a user writes it."""
    lines = [
        "apiVersion: theazo.dev/v1alpha1",
        "kind: TheazoAgent",
        f"metadata: {{name: {name}, namespace: {PLATFORM}}}",
        "spec:",
        f"  sessionRef: {{name: {session}}}",
        "  compute: python",
        f"  secrets: [{', '.join(f'{{name: {each}}}' for each in declared)}]",
    ]
    if deadline is not None:
        lines.append(f"  secretsDeadlineSeconds: {deadline}")
    lines += ["  command:", "    - python3", "    - -c", "    - |"]
    return "\n".join([*lines, *(f"      {line}" for line in PROBE.splitlines())]) + "\n"


class Demo:
    """The story's state: what was sealed, and where its files are."""

    def __init__(self, folder: Path) -> None:
        config.load_kube_config()
        self.folder = folder
        self.values = {name: f"demo-{secrets.token_urlsafe(24)}" for name in NAMES}
        self.watch = SecretWatch(client.CoreV1Api(), PLATFORM)
        self.session = ""

    def install(self) -> None:
        """Install as a user does, and start from a clean platform."""
        chapter(1, "Install the operator, in the cluster, from the project's own image")
        run("kubectl", "apply", "--server-side", "-k", "manifests/default")
        run("kubectl", "-n", "theazo-system", "rollout", "restart", "deployment/theazo-operator", quiet=True)
        run("kubectl", "-n", "theazo-system", "rollout", "status", "deployment/theazo-operator", "--timeout=180s")
        good("theazo-operator is ready, under its own ServiceAccount")
        run("kubectl", "delete", "namespace", PLATFORM, "--ignore-not-found", "--wait", quiet=True)

    def open_session(self) -> None:
        """Make a platform and a session."""
        chapter(2, "A platform, and a session for one of its users")
        run("kubectl", "create", "namespace", PLATFORM)
        show(run("theazo", "platforms", "add", PLATFORM))
        self.watch.start()
        self.session = run("theazo", "session-name", USER, "--platform", PLATFORM).strip()
        apply(
            "apiVersion: theazo.dev/v1alpha1\nkind: TheazoSession\n"
            f"metadata: {{name: {self.session}, namespace: {PLATFORM}}}\nspec: {{user: {USER}}}\n",
            self.folder / "session.yaml",
        )
        run("kubectl", "-n", PLATFORM, "wait", "--for=condition=Ready", f"tses/{self.session}", "--timeout=60s")

    def seal(self) -> None:
        """Seal all values and apply them. The values are in a file of mode 0600 and nowhere else."""
        env_file = self.folder / ".env"
        env_file.touch(mode=0o600)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in self.values.items()), encoding="utf-8")
        sealed = str(self.folder / "secrets.yaml")
        run(
            "theazo",
            "seal",
            "--platform",
            PLATFORM,
            "--session",
            self.session,
            "--env-file",
            str(env_file),
            "--file",
            sealed,
        )
        env_file.unlink()
        run("kubectl", "apply", "--server-side", "-f", sealed)
        run("kubectl", "-n", PLATFORM, "wait", "--for=condition=Ready", f"tsec/{self.session}", "--timeout=60s")

    def apply_agent(self, name: str) -> None:
        """Apply an agent that declares two names."""
        apply(agent_manifest(name, self.session, DECLARED), self.folder / f"{name}.yaml")

    def printed(self, name: str) -> dict[str, str]:
        """Read what an agent's sandbox printed, once it runs."""
        run("kubectl", "-n", PLATFORM, "wait", "--for=condition=Ready", f"tagt/{name}", "--timeout=120s")
        printed = self.logs(name)
        show(printed)
        return dict(line.split() for line in printed.splitlines())

    def pod(self, agent: str) -> str:
        """Name the agent's Pod."""
        return run("kubectl", "-n", PLATFORM, "get", f"tagt/{agent}", "-o", "jsonpath={.status.podName}", quiet=True)

    def logs(self, agent: str) -> str:
        """Read the sandbox's output, as soon as it has said all three lines."""
        command = ("kubectl", "-n", PLATFORM, "logs", "--follow", self.pod(agent))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
            if follower.stdout is None:
                raise DemoError("kubectl logs gave no output")
            lines = [follower.stdout.readline() for _ in NAMES]
            follower.terminate()
        return "".join(lines)

    def compare(self, seen: dict[str, str]) -> None:
        """Hold what the sandbox saw against what was sealed."""
        for name in NAMES:
            expected = digest(self.values[name]) if name in DECLARED else "absent"
            if seen.get(name) != expected:
                raise DemoError(f"the sandbox should see {name} as {expected}, and saw {seen.get(name)}")
            what = "not declared, and absent" if expected == "absent" else f"the sealed value (sha256 {expected[:16]}…)"
            good(f"{name}: {what}")


def first_agent(demo: Demo) -> str:
    """Tell of an agent, and of the Secret that is there until its sandbox runs; returns the Pod's name."""
    chapter(4, "An agent that declares two of them")
    demo.apply_agent("first")
    life = demo.watch.wait_for(1, gone=False)[0]
    show(life.seen)
    run(
        "kubectl", "-n", PLATFORM, "wait", "--for=jsonpath={.status.podName}", "tagt/first", "--timeout=60s", quiet=True
    )
    pod = demo.pod("first")
    used = run("kubectl", "-n", PLATFORM, "get", "pod", pod, "-o", "jsonpath={.spec.containers[0].envFrom}")
    show(f"Pod/{pod}\n  containers[sandbox].envFrom: {json.dumps(json.loads(used))}")
    if life.name not in used or life.keys != tuple(sorted(DECLARED)):
        raise DemoError(f"the Pod should use the Secret {life.name} with {DECLARED}; it uses {used} with {life.keys}")
    good(f"the pod-scoped Secret {life.name} holds {' and '.join(life.keys)}, and the Pod's envFrom names it")
    demo.compare(demo.printed("first"))
    life = demo.watch.wait_for(1, gone=True)[0]
    if life.died is None:
        raise DemoError(f"the Secret {life.name} should be gone once the sandbox runs")
    good(f"the Secret lived {life.died - life.born:.1f} seconds: once the sandbox runs, nobody needs it")
    return pod


def story(demo: Demo) -> None:
    """Tell it."""
    demo.install()
    demo.open_session()

    chapter(3, "Three secrets, sealed on this side, so that the cluster stores ciphertext only")
    demo.seal()
    show(run("kubectl", "-n", PLATFORM, "get", "tsec", demo.session))

    pod = first_agent(demo)

    overwrite(demo, pod)
    delete(demo)


def overwrite(demo: Demo, pod: str) -> None:
    """Tell of a new value, which the first agent does not get and a second one does."""
    chapter(5, "Overwrite a value while the first agent runs")
    old = demo.values["OPENAI_API_KEY"]
    demo.values["OPENAI_API_KEY"] = f"demo-{secrets.token_urlsafe(24)}"
    demo.seal()
    again = run("kubectl", "-n", PLATFORM, "exec", pod, "--", "python3", "-c", REREAD).strip()
    if again != digest(old):
        raise DemoError("the first agent should keep the value that it started with")
    good(f"the first agent keeps the old value (sha256 {again[:16]}…)")
    demo.apply_agent("second")
    demo.compare(demo.printed("second"))
    good("the second agent has the new one")


def delete(demo: Demo) -> None:
    """Tell of a name that is no longer there, and of an agent that declares it."""
    chapter(6, "Delete a name: an agent that declares it is refused")
    removal = '[{"op": "remove", "path": "/spec/encryptedData/STRIPE_SECRET"}]'
    run("kubectl", "-n", PLATFORM, "patch", "tsec", demo.session, "--type=json", "-p", removal)
    apply(agent_manifest("third", demo.session, DECLARED, deadline=5), demo.folder / "third.yaml")
    run("kubectl", "-n", PLATFORM, "wait", "--for=condition=Stalled", "tagt/third", "--timeout=60s")
    show(run("kubectl", "-n", PLATFORM, "get", "tagt", "third", "-o", "wide"))
    state = run("kubectl", "-n", PLATFORM, "get", "tagt/third", "-o", "json", quiet=True)
    stalled = next(each for each in json.loads(state)["status"]["conditions"] if each["type"] == "Stalled")
    if stalled["reason"] != "SecretNotFound" or "STRIPE_SECRET" not in stalled["message"]:
        raise DemoError(f"the third agent should be refused for STRIPE_SECRET, and says {stalled}")
    if run("kubectl", "-n", PLATFORM, "get", "pods", "-l", "theazo.dev/agent=third", "-o", "name", quiet=True):
        raise DemoError("the third agent should have no Pod")
    good(f"no Pod was made. The reason: {stalled['message']}")


def main() -> int:
    """Tell the story once; exit code 1 where it did not come out as promised."""
    with tempfile.TemporaryDirectory(prefix="theazo-demo-") as folder:
        try:
            paths.refuse_foreign(f"install the product there and delete the namespace {PLATFORM}")
            story(Demo(Path(folder)))
        except (DemoError, TimeoutError, ClusterError) as error:
            print(f"\nerror: {error}", file=sys.stderr)
            print("look at: kubectl -n theazo-system logs deployment/theazo-operator", file=sys.stderr)
            return 1
    chapter(7, "What to try next")
    tell('eval "$(python3 -m hack.cluster env)"        # kubectl and theazo in this shell')
    tell(f"kubectl -n {PLATFORM} get theazo                 # everything of ours")
    tell("kubectl explain theazoagent.spec              # every field is described")
    tell("theazo seal --help                            # seal from stdin, a prompt, or the environment")
    tell("make cluster-down                             # remove the cluster")
    return 0


if __name__ == "__main__":
    sys.exit(main())
