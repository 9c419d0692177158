"""Every route: what it takes, does and answers. The service and its OpenAPI document are made from this."""

from typing import cast

from theazo.sealing import SUITE
from theazo_operator.api import models, problems, queries, reading
from theazo_operator.api.operation import JSON_TYPE, SEALED_TYPE, Call, Operation, Reply, Services


async def _open_session(services: Services, call: Call) -> Reply:
    session, made = await services.sessions.get_or_create(call.platform, call.read(models.SessionCreate))
    return Reply(201 if made else 200, session)


async def _list_sessions(services: Services, call: Call) -> Reply:
    return Reply(200, await services.sessions.page(call.platform, cast("queries.SessionQuery", call.query)))


async def _get_session(services: Services, call: Call) -> Reply:
    return Reply(200, await services.sessions.get(call.platform, call.path["sid"]))


async def _delete_session(services: Services, call: Call) -> Reply:
    query = cast("queries.SessionDeletion", call.query)
    await services.sessions.delete(call.platform, call.path["sid"], query.sealing_id)
    return Reply(204)


async def _set_secrets(services: Services, call: Call) -> Reply:
    if call.media_type == SEALED_TYPE:
        await services.secrets.set_sealed(call.platform, call.path["sid"], call.read(models.SealedSecrets))
    else:
        await services.secrets.set_values(call.platform, call.path["sid"], reading.read_values(call.take_body()))
    return Reply(204)


async def _list_secrets(services: Services, call: Call) -> Reply:
    return Reply(200, await services.secrets.infos(call.platform, call.path["sid"]))


async def _delete_secret(services: Services, call: Call) -> Reply:
    await services.secrets.delete(call.platform, call.path["sid"], call.path["name"])
    return Reply(204)


async def _create_agent(services: Services, call: Call) -> Reply:
    wanted = call.read(models.AgentCreate)
    agent, made = await services.agents.create(call.platform, call.path["sid"], wanted, call.idempotency_key)
    return Reply(201 if made else 200, agent)


async def _list_agents(services: Services, call: Call) -> Reply:
    return Reply(
        200, await services.agents.page(call.platform, call.path["sid"], cast("queries.AgentQuery", call.query))
    )


async def _get_agent(services: Services, call: Call) -> Reply:
    return Reply(200, await services.agents.get(call.platform, call.path["sid"], call.path["aid"]))


async def _delete_agent(services: Services, call: Call) -> Reply:
    await services.agents.delete(call.platform, call.path["sid"], call.path["aid"])
    return Reply(204)


async def _get_sealing_key(services: Services, call: Call) -> Reply:
    key = await services.keys.read(call.platform)
    shown = models.SealingKey(platform=call.platform, suite=SUITE, key_id=key.key_id, public_key=key.to_base64())
    return Reply(200, shown)


_SESSION = "/v1/sessions/{sid}"
_AGENT = "/v1/sessions/{sid}/agents/{aid}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/v1/sessions",
        "openSession",
        "Get the session of a user, or make it.",
        _open_session,
        {200: models.Session, 201: models.Session},
        (problems.SESSION_ENDED, problems.CONFLICT),
        {JSON_TYPE: models.SessionCreate},
    ),
    Operation(
        "GET",
        "/v1/sessions",
        "listSessions",
        "List sessions, a page at a time.",
        _list_sessions,
        {200: models.SessionList},
        (problems.CURSOR_EXPIRED,),
        query=queries.SessionQuery,
    ),
    Operation(
        "GET",
        _SESSION,
        "getSession",
        "Get a session.",
        _get_session,
        {200: models.Session},
        (problems.SESSION_NOT_FOUND,),
    ),
    Operation(
        "DELETE",
        _SESSION,
        "deleteSession",
        "Delete a session with its secrets and agents; with `sealingId` only if it still has that one.",
        _delete_session,
        {204: None},
        (problems.SESSION_NOT_FOUND, problems.SESSION_CHANGED, problems.MANAGED_ELSEWHERE),
        query=queries.SessionDeletion,
    ),
    Operation(
        "POST",
        f"{_SESSION}/secrets",
        "setSecrets",
        "Set or overwrite secrets, all or none of them. Names that are not in the body stay.",
        _set_secrets,
        {204: None},
        (
            problems.INVALID_SECRET,
            problems.SESSION_NOT_FOUND,
            problems.SESSION_ENDED,
            problems.SESSION_CHANGED,
            problems.SEALING_KEY_CHANGED,
            problems.MANAGED_ELSEWHERE,
            problems.CONFLICT,
            problems.SECRETS_TOO_LARGE,
            problems.SEALING_KEY_UNAVAILABLE,
        ),
        {JSON_TYPE: None, SEALED_TYPE: models.SealedSecrets},
    ),
    Operation(
        "GET",
        f"{_SESSION}/secrets",
        "listSecrets",
        "List the names of a session's secrets, never values.",
        _list_secrets,
        {200: models.SecretList},
        (problems.SESSION_NOT_FOUND,),
    ),
    Operation(
        "DELETE",
        f"{_SESSION}/secrets/{{name}}",
        "deleteSecret",
        "Delete a secret for good. Agents that declare it fail; running ones keep its value.",
        _delete_secret,
        {204: None},
        (
            problems.SESSION_NOT_FOUND,
            problems.SECRET_NOT_FOUND,
            problems.MANAGED_ELSEWHERE,
            problems.CONFLICT,
            problems.REFUSED_BY_CLUSTER,
        ),
    ),
    Operation(
        "POST",
        f"{_SESSION}/agents",
        "createAgent",
        "Start an agent with the secrets that it declares.",
        _create_agent,
        {200: models.Agent, 201: models.Agent},
        (
            problems.SESSION_NOT_FOUND,
            problems.SESSION_ENDED,
            problems.IDEMPOTENCY_MISMATCH,
            problems.CONFLICT,
            problems.SECRETS_MISSING,
            problems.COMPUTE_NOT_FOUND,
            problems.INVALID_AGENT,
        ),
        {JSON_TYPE: models.AgentCreate},
        idempotent_by_key=True,
    ),
    Operation(
        "GET",
        f"{_SESSION}/agents",
        "listAgents",
        "List a session's agents, a page at a time.",
        _list_agents,
        {200: models.AgentList},
        (problems.SESSION_NOT_FOUND, problems.CURSOR_EXPIRED),
        query=queries.AgentQuery,
    ),
    Operation(
        "GET",
        _AGENT,
        "getAgent",
        "Get an agent.",
        _get_agent,
        {200: models.Agent},
        (problems.SESSION_NOT_FOUND, problems.AGENT_NOT_FOUND),
    ),
    Operation(
        "DELETE",
        _AGENT,
        "deleteAgent",
        "Delete an agent with its sandbox.",
        _delete_agent,
        {204: None},
        (problems.SESSION_NOT_FOUND, problems.AGENT_NOT_FOUND, problems.MANAGED_ELSEWHERE),
    ),
    Operation(
        "GET",
        "/v1/sealing-key",
        "getSealingKey",
        "Get the public key that values of this platform are sealed to.",
        _get_sealing_key,
        {200: models.SealingKey},
        (problems.SEALING_KEY_UNAVAILABLE,),
    ),
)
