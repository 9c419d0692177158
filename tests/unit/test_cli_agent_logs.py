"""`theazo agents logs`: what a sandbox printed, as it is."""

import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from cyclopts import App, Parameter

from tests.support.cli import Api, fake_cluster, write_kubeconfig
from theazo.cli import agent_logs
from theazo.cli.terminal import Misused, Refused

AGENT = "/apis/theazo.dev/v1alpha1/namespaces/acme/theazoagents/hello"
LOG = "/api/v1/namespaces/acme/pods/hello-12345678/log"
PRINTED = b"\x00\xff\x1b[2Jno text\r\n" * 50_000


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        fake.objects[AGENT] = {"status": {"podName": "hello-12345678"}}
        fake.answers["GET", LOG] = (200, PRINTED)
        yield fake


def logs(api: Api, *arguments: str, stdout: Any = None) -> bytes:
    """Calls the command in an app of its own and gives what it wrote."""
    app = App(name="agents", default_parameter=Parameter(negative=""), result_action="return_value")
    agent_logs.register(app)
    raw = io.BytesIO()
    stream = stdout or io.TextIOWrapper(raw, encoding="ascii")
    with patch("sys.stdout", stream):
        app(["logs", *arguments, "--kubeconfig", str(api.kubeconfig)], exit_on_error=False, print_error=False)
        return raw.getvalue()


def test_bytes_come_through_as_they_are(api: Api) -> None:
    assert logs(api, "hello", "-n", "acme") == PRINTED
    assert api.requests[-1].query == {"container": "sandbox", "follow": "false", "previous": "false"}


def test_options_go_to_the_api_server(api: Api) -> None:
    logs(api, "hello", "-n", "acme", "--follow", "--tail", "0", "--previous")
    wanted = {"container": "sandbox", "follow": "true", "previous": "true", "tailLines": "0"}
    assert api.requests[-1].query == wanted
    logs(api, "hello", "--platform", "acme", "-f", "-p")
    assert api.requests[-1].query == {name: value for name, value in wanted.items() if name != "tailLines"}


@pytest.mark.parametrize("found", [{}, {"status": {}}, {"status": {"podName": ""}}])
def test_an_agent_without_a_pod_has_no_logs_yet(api: Api, found: dict[str, Any]) -> None:
    api.objects[AGENT] = found
    with pytest.raises(Refused, match=r"agent hello has no Pod yet.*`theazo explain hello -n acme` says why"):
        logs(api, "hello", "-n", "acme")


def test_an_agent_that_is_not_there(api: Api) -> None:
    with pytest.raises(Refused, match=r"there is no agent other in platform acme; see: kubectl"):
        logs(api, "other", "-n", "acme")


def test_a_pod_that_is_gone(api: Api) -> None:
    api.answers["GET", LOG] = (404, {"message": "not found"})
    with pytest.raises(Refused, match=r"the Pod hello-12345678 of agent hello is gone, and its logs with it"):
        logs(api, "hello", "-n", "acme")


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (400, 'container "sandbox" in pod "x" is waiting to start: ImagePullBackOff', "is waiting to start"),
        (403, "pods/log is forbidden", "your account may not do that"),
    ],
)
def test_what_the_server_refuses(api: Api, status: int, message: str, said: str) -> None:
    api.answers["GET", LOG] = (status, {"message": message})
    with pytest.raises(Refused, match=f"cannot read the logs of agent hello: .*{said}"):
        logs(api, "hello", "-n", "acme")


@pytest.mark.parametrize("arguments", [("Hello", "-n", "acme"), ("../x", "-n", "acme"), ("hello", "-n", "a/b")])
def test_names_that_nothing_has(api: Api, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Misused, match="'s name") as refusal:
        logs(api, *arguments)
    assert "../x" not in str(refusal.value)
    assert api.requests == []


@pytest.mark.parametrize("tail", ["-1", "many"])
def test_a_number_of_lines_that_is_none(api: Api, tail: str) -> None:
    with pytest.raises(Exception, match="tail"):
        logs(api, "hello", "-n", "acme", "--tail", tail)
    assert api.requests == []


class Full(io.BytesIO):
    def write(self, data: Any, /) -> int:
        del data
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_said(api: Api) -> None:
    with pytest.raises(Refused, match="cannot write to standard output: No space left on device"):
        logs(api, "hello", "-n", "acme", stdout=io.TextIOWrapper(Full()))


# The command in an app of its own, as a process that can be interrupted.
LOGS = """
import sys
from unittest.mock import patch
from cyclopts import App
from theazo.cli import agent_logs, app, main
own = App(name="theazo", result_action="return_value", suppress_keyboard_interrupt=False)
own.command(App(name="agents"))
agent_logs.register(own["agents"])
with patch.object(app, "app", own):
    sys.exit(main(["agents", "logs", *sys.argv[1:]]))
"""


@pytest.fixture
def follows(tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an API server whose sandbox says two things, and nothing more for as long as it is read."""
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            log = "/log?" in self.path
            body = b"4\r\none\n\r\n4\r\ntwo\n\r\n" if log else json.dumps({"status": {"podName": "hello-1"}}).encode()
            self.send_header(*(("Transfer-Encoding", "chunked") if log else ("Content-Length", str(len(body)))))
            self.end_headers()
            self.wfile.write(body)
            if log:
                done.wait()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        write_kubeconfig(tmp_path / "follows", server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path / "follows"
        done.set()
        server.shutdown()
        thread.join()


def test_following_shows_what_comes_and_ends_with_an_interrupt(follows: Path) -> None:
    arguments = [sys.executable, "-c", LOGS, "hello", "-n", "acme", "-f", "--kubeconfig", str(follows)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert [process.stdout.readline(), process.stdout.readline()] == [b"one\n", b"two\n"]
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"")
        assert process.returncode == 130


def test_help_says_whose_concern_the_output_is() -> None:
    assert "what a program in a sandbox prints is up to that program" in str(agent_logs.logs.__doc__)
