"""The reasons of a TheazoAgent in words: what happened, and what to do. docs/reasons.md has the same list."""

from typing import NamedTuple


class Words(NamedTuple):
    """Both with the fields {agent}, {platform}, {session}, {compute} and {home}, the operator's namespace."""

    what: str
    remedy: str


_RESEAL = "seal it again: theazo seal -n {platform} --session {session} ..."
_NEW = "what ended stays ended: create a new agent"

REASONS = {
    "PlatformNotFound": Words("the namespace {platform} is no platform", "theazo platforms add {platform}"),
    "SessionNotFound": Words(
        "there is no session {session}, or it is being deleted",
        "apply the TheazoSession {session}, and the agent starts; or create an agent with another sessionRef",
    ),
    "SecretNotFound": Words(
        "the session {session} lacks a secret that the agent declares",
        "set it, and the agent starts; or create an agent that does not declare it",
    ),
    "ComputeNotFound": Words(
        "there is no compute {compute}",
        "have the PodTemplate made, and the agent starts; or choose one of: kubectl get podtemplates -n {home}",
    ),
    "MalformedEnvelope": Words("a declared secret is no whole sealed value", _RESEAL),
    "UnknownKey": Words("a declared secret is sealed with a key that this platform doesn't have", _RESEAL),
    "CannotOpen": Words(
        "a declared secret was changed, or sealed for another platform, session, sealingId or name", _RESEAL
    ),
    "InvalidValue": Words("a declared secret's value breaks the rules for values", "seal a value that keeps them"),
    "SecretsTooLarge": Words("the declared values are over 1 MiB together", "create an agent that declares fewer"),
    "InvalidSpec": Words(
        "this version of the operator can't read the agent's spec",
        "see that CRDs and operator are of one version: theazo doctor",
    ),
    "ComputeRefused": Words(
        "the compute {compute} asks for what no sandbox may have",
        "take out of the PodTemplate {compute} what the message names; the agent then starts",
    ),
    "NameConflict": Words(
        "the compute {compute} itself sets a variable that the agent declares as a secret",
        "create an agent that declares it under another name, with `from`",
    ),
    "NameTaken": Words("somebody else's Pod has the name of the agent's Pod", "delete that Pod; it is tried again"),
    "SandboxRefused": Words(
        "the API server refused the sandbox: a quota, an admission policy or a missing right",
        "make room, or change the policy; it is tried again up to once a minute",
    ),
    "SandboxStarting": Words("its Pod is there and the container is not up yet", "wait, or see the Pod below"),
    "SandboxRunning": Words("the sandbox runs", ""),
    "Completed": Words("the sandbox ended with exit code 0", ""),
    "SandboxFailed": Words(
        "the sandbox ended with an error", "see: theazo agents logs {agent} -n {platform}; then create a new agent"
    ),
    "DeadlineExceeded": Words(
        "it ran longer than its activeDeadlineSeconds", "create a new agent that is allowed more, or does less"
    ),
    "Evicted": Words("its node ended it: pressure, preemption or shutdown", _NEW),
    "SandboxLost": Words("somebody deleted its Pod, and an agent has one Pod only", _NEW),
    "SandboxNotStarted": Words(
        "the container was not up within startDeadlineSeconds; Pod and Secret were deleted",
        "look at the image and resources of compute {compute} and the cluster's room, then create a new agent",
    ),
    "SessionExpired": Words("the session's ttlSeconds are over", "create agents in a new session"),
}

# Conditions that speak of one step, which is well.
MILESTONES = frozenset({"Resolved", "NoneDeclared", "SandboxCreated"})

# Why a container waits, as the kubelet says it.
WAITING = {
    "ContainerCreating": "wait; if it stays so, see the events below",
    "PodInitializing": "wait for the init containers of compute {compute}",
    "ImagePullBackOff": "correct the image of compute {compute}, or let the node reach its registry",
    "ErrImagePull": "correct the image of compute {compute}, or let the node reach its registry",
    "ErrImageNeverPull": "bring the image to the node, or change imagePullPolicy in compute {compute}",
    "InvalidImageName": "correct the image's name in compute {compute}",
    "CreateContainerConfigError": "see what compute {compute} refers to: ConfigMaps, and a user that is not root",
    "CreateContainerError": "correct command and mounts, of the agent or of compute {compute}",
    "RunContainerError": "correct the command, of the agent or of compute {compute}",
    "CrashLoopBackOff": "see: theazo agents logs {agent} -n {platform} --previous",
}
