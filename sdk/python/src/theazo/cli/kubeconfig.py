"""Finds the kubeconfig as kubectl does. Its text holds credentials, so no message quotes it."""

import logging
import os
from pathlib import Path
from typing import Any

from theazo.cli.terminal import Refused


def load(given: Path | None, context: str | None, configuration: Any, otherwise: str) -> None:  # noqa: ANN401 - untyped
    """Fills a `kubernetes.client.Configuration` from where kubectl would.

    Args:
        given: The kubeconfig that the user named.
        context: The context that the user named.
        configuration: What to fill.
        otherwise: What to do where there is none, for the message.

    Raises:
        Refused: if there is no usable one.
    """
    from kubernetes import config  # noqa: PLC0415
    from yaml import YAMLError  # noqa: PLC0415

    # It warns of each broken connection before we say so ourselves, and quotes the address with its query.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    path = str(given) if given else None
    inside = path is None and context is None and "KUBECONFIG" not in os.environ
    try:
        if inside and "KUBERNETES_SERVICE_HOST" in os.environ and not Path("~/.kube/config").expanduser().exists():
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(path, context, configuration)
    except YAMLError:
        # Never its own words: they quote the file, and that holds credentials.
        raise Refused(f"the kubeconfig is not valid YAML; {otherwise}") from None
    except (config.ConfigException, OSError, KeyError, TypeError, ValueError) as error:
        known = isinstance(error, config.ConfigException)
        reason = str(error).rstrip(".") if known else getattr(error, "strerror", None) or "it cannot be read"
        raise Refused(f"no usable kubeconfig: {reason}; {otherwise}") from None
