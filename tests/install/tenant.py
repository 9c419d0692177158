"""A platform with agents at work, and what must not change about them while the product comes and goes."""

from typing import Any, NamedTuple

from tests.support.api import Manifest
from tests.support.cluster import wait_until
from tests.support.stage import Stage

PLATFORM = "acme"
VALUES = {"OPENAI_API_KEY": "sk-of-alice-1", "DATABASE_URL": "postgres://alice@db/1"}
ENDS = ["python3", "-c", "import os; print(os.environ['OPENAI_API_KEY'])"]


class Seen(NamedTuple):
    """One agent as it is: nothing in here changes while nobody touches it."""

    status: Manifest
    pod_uid: str
    started: Any
    containers: Any
    environment: dict[str, str]


class Tenant:
    """The platform `acme`: a session, its sealed values, one agent that ended and two that run."""

    #: One whose Secret is gone once it has started, and one that keeps it, since it may start again.
    RUNNING = ("once", "again")
    ENDED = "ended"

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def start(self) -> None:
        """Open the session, seal, start the three agents, and wait until they are where they shall be."""
        self.stage.open()
        self.stage.set(VALUES)
        names = list(VALUES)
        self.stage.start(self.ENDED, names, command=ENDS)
        self.stage.start("once", names)
        self.stage.start("again", names, restartPolicy="OnFailure")
        for agent in self.RUNNING:
            self.stage.running(agent)
        self.stage.agent_is(self.ENDED, "Completed", "Current")
        # Until the Secret of the one that starts once only is gone, the operator has work to do for it.
        wait_until("one Secret is left, of the agent that may start again", lambda: len(self.stage.values()) == 1)

    def seen(self) -> dict[str, Seen]:
        """The agents that run, their Pods, and the values that they see."""
        return {agent: self._look(agent) for agent in self.RUNNING}

    def _look(self, agent: str) -> Seen:
        pod = self.stage.pod_of(agent)
        status = pod["status"]
        environment = {key: text for key, text in self.stage.environment(agent).items() if key in VALUES}
        return Seen(
            status=self.stage.status(agent),
            pod_uid=pod["metadata"]["uid"],
            started=status["startTime"],
            containers=[
                (each["name"], each["containerID"], each["restartCount"], each["state"])
                for each in status["containerStatuses"]
            ],
            environment=environment,
        )

    def ended(self) -> tuple[Manifest, str]:
        """What is known of the agent that ended: its status, and what it printed."""
        return self.stage.status(self.ENDED), self.stage.logs(self.ENDED).strip()

    def sees(self, agent: str) -> dict[str, str]:
        """Start an agent anew with all values, and give those that it sees."""
        self.stage.start(agent, list(VALUES))
        self.stage.running(agent)
        return self._look(agent).environment
