"""`theazo seal`: from values to a TheazoSecret that may lie in Git."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from theazo import sealing
from theazo.cli import keys, manifest
from theazo.cli.cluster import Cluster, ClusterOptions, segment
from theazo.cli.inputs import Sources, gather
from theazo.cli.keys import KeyOptions
from theazo.cli.terminal import Misused, Refused, out, say
from theazo.errors import InvalidName, SealingError
from theazo.rules import check_platform, check_sealing_id, check_session, session_name

EXAMPLES = """\
Examples:

  theazo seal -n acme --user user_123 --env-file .env -f secrets.yaml
  theazo seal -n acme --user user_123 --prompt OPENAI_API_KEY -f secrets.yaml
  pass stripe | theazo seal -n acme --session demo --stdin STRIPE_KEY > s.yaml
  kubectl apply --server-side -f secrets.yaml

  Without a cluster:
  kubectl get -n theazo-system configmap sealing-key-acme -o yaml > acme.yaml
  theazo seal -n acme --session demo --sealing-id demo --public-key acme.yaml \\
      --fingerprint 0123456789abcdef --from-env DATABASE_URL -f secrets.yaml
"""


@Parameter(name="*", group=Group("Target", sort_key=0))
@dataclass(frozen=True, kw_only=True)
class Target:
    """The options that say what values are sealed for; they open nowhere else."""

    platform: Annotated[str, Parameter(name=["--platform", "-n"], metavar="NAMESPACE", help="The platform.")]
    session: Annotated[str | None, Parameter(metavar="NAME", help="The session's name.")] = None
    user: Annotated[
        str | None, Parameter(metavar="USER", help="Instead of --session: the user whose session it is.")
    ] = None
    sealing_id: Annotated[
        str | None,
        Parameter(
            metavar="ID",
            help="The session's spec.sealingId, or its name where that is not set. Default: from the session in the "
            "cluster.",
        ),
    ] = None

    def session_name(self) -> str:
        """The name of the session, checked with the rest.

        Raises:
            Misused: if a part can't be what it says, or if not exactly one of `session` and `user` is given.
        """
        if (self.session is None) == (self.user is None):
            raise Misused("say whose secrets these are: --session NAME or --user USER, one of them")
        try:
            check_platform(self.platform)
            if self.sealing_id is not None:
                check_sealing_id(self.sealing_id)
            if self.user is not None:
                return session_name(self.platform, self.user)
            session = self.session or ""
            check_session(session)
        except InvalidName as error:
            raise Misused(str(error)) from None
        return session


app = App(name="seal", help_epilogue=EXAMPLES)


@app.default
def seal(
    *,
    target: Target,
    sources: Sources | None = None,
    key: KeyOptions | None = None,
    file: Annotated[
        Path | None, Parameter(name=["--file", "-f"], metavar="FILE", group=Group("Output", sort_key=3))
    ] = None,
    cluster: ClusterOptions | None = None,
) -> None:
    """Seals values for one session: makes or extends a TheazoSecret.

    The result may be committed: only the cluster's operator opens it, and a value
    only as the secret, in the session and platform, that it was sealed for.
    Either all values are sealed or, with every problem named, none.

    On standard output the manifest has these entries alone, and applying it removes
    what was applied before. With --file, other entries stay as they are.

    Args:
        target: For which session.
        sources: Where the values come from.
        key: The public key.
        cluster: Asked for what the rest leaves out.
        file: Instead of standard output: merge into this file, or create it.
    """
    sources, key, cluster = sources or Sources(), key or KeyOptions(), cluster or ClusterOptions()
    session = target.session_name()
    sources.check()
    key.check()
    if file is not None and str(file) == "-":
        raise Misused("--file takes a path; leave it out to write to standard output")
    base = manifest.read(file, session, target.platform) if file else manifest.Manifest.empty(session, target.platform)
    # Asked only for what the command line leaves out.
    connection = Cluster(cluster, "or seal without a cluster: give both --sealing-id ID and --public-key FILE")
    public_key = key.pinned(_public_key(connection, target, key, cluster.operator_namespace))
    sealing_id = _sealing_id(connection, target, session)
    values = gather(sources)
    say("note", f"sealing for session {session} of platform {target.platform}, key fingerprint {public_key.key_id}")
    try:
        sealed = {
            name: sealing.seal(value, sealing.Binding(target.platform, session, sealing_id, name), public_key)
            for name, value in values.items()
        }
    except (InvalidName, SealingError) as error:
        raise Refused(str(error)) from None
    result = base.with_sealed(sealed, datetime.now(UTC))
    if file:
        manifest.write(file, result)
        say("note", f"wrote {len(sealed)} sealed of {len(result.entries)} entries to {file}")
    else:
        out(result.text())


def _public_key(cluster: Cluster, target: Target, key: KeyOptions, namespace: str) -> sealing.PublicKey:
    if key.public_key is not None:
        return keys.from_file(key.public_key, target.platform)
    return keys.published(cluster, namespace, target.platform)


def _sealing_id(cluster: Cluster, target: Target, session: str) -> str:
    if target.sealing_id is not None:
        return target.sealing_id
    path = f"/apis/theazo.dev/v1alpha1/namespaces/{segment(target.platform)}/theazosessions/{segment(session)}"
    found = cluster.get(path, f"read session {session} of platform {target.platform}")
    if found is None:
        raise Refused(
            f"platform {target.platform} has no session {session}; create it first, or give --sealing-id (the "
            "session's spec.sealingId, or its name where that is not set)"
        )
    spec = found.get("spec") or {}
    if target.user is not None and spec.get("user") != target.user:
        raise Refused(f"session {session} belongs to another user; name the session that you mean with --session")
    return str(spec.get("sealingId") or session)
