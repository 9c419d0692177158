// The rest of the error tree: what happens without an answer of the API, and what agent.wait() ends with.

import { TheazoError } from './errors.js'

/** No answer came, after all retries. Whether the request was carried out isn't known. */
export class ConnectionFailed extends TheazoError {
  static {
    this.prototype.name = 'ConnectionFailed'
  }
}

/** No answer came in time. */
export class RequestTimeout extends ConnectionFailed {
  static {
    this.prototype.name = 'RequestTimeout'
  }
}

/** What an error of agent.wait() knows of its agent. */
export interface AgentState {
  readonly id: string
  readonly reason: string | null
  readonly message: string | null
  readonly exitCode: number | null
}

/** `agent.wait()` ended without what it waited for. `reason` is a word of docs/reasons.md. */
export class AgentError extends TheazoError {
  readonly agentId: string
  readonly reason: string | null
  readonly exitCode: number | null

  constructor(what: string, agent: AgentState) {
    const reason = agent.reason === null ? '' : ` (${agent.reason})`
    super(`agent ${agent.id} ${what}${reason}${agent.message === null ? '' : `: ${agent.message}`}`)
    this.agentId = agent.id
    this.reason = agent.reason
    this.exitCode = agent.exitCode
  }

  static {
    this.prototype.name = 'AgentError'
  }
}

/** It doesn't run, and won't until a person acts. */
export class AgentCannotStart extends AgentError {
  constructor(agent: AgentState) {
    super('cannot start', agent)
  }

  static {
    this.prototype.name = 'AgentCannotStart'
  }
}

/** It ran, and failed. */
export class AgentFailed extends AgentError {
  constructor(agent: AgentState) {
    super(agent.exitCode === null ? 'failed' : `failed with exit code ${agent.exitCode}`, agent)
  }

  static {
    this.prototype.name = 'AgentFailed'
  }
}

/** It was not there in time. It goes on: wait again, or delete it. */
export class WaitTimeout extends AgentError {
  constructor(agent: AgentState) {
    super('was not there in time', agent)
  }

  static {
    this.prototype.name = 'WaitTimeout'
  }
}
