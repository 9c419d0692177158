// Every error that the SDK throws on purpose:
//
// TheazoError
// ├── ConfigurationError      an option or environment variable is missing or unusable
// ├── InvalidName             a name, an id, a user or an idempotency key that the rules refuse: nothing was sent
// ├── SealingError            a value can't be sealed: nothing was sent
// │   ├── InvalidPublicKey
// │   └── InvalidValue
// ├── APIError                the API answered, and said no: status, code, detail, requestId
// │   ├── InvalidRequest      400
// │   ├── Unauthorized        401
// │   ├── PermissionDenied    403
// │   ├── NotFound            404: SessionNotFound, SecretNotFound, AgentNotFound
// │   ├── Conflict            409: ManagedElsewhere, SessionEnded
// │   ├── TooLarge            413
// │   ├── Unprocessable       422: SecretsMissing (missing), ComputeNotFound
// │   ├── RateLimited         429
// │   └── ServerError         5xx
// ├── ConnectionFailed        no answer came
// │   └── RequestTimeout
// └── AgentError              agent.wait(): AgentCannotStart, AgentFailed, WaitTimeout
//
// No message holds a value or an API key, nor text that stands where a name belongs: it may be a value.
// Names are set on the prototypes, not taken from the classes: bundlers rename those.

/** The root of the tree: catch it to catch all that the SDK throws on purpose. */
export class TheazoError extends Error {
  static {
    this.prototype.name = 'TheazoError'
  }
}

/** An option, an argument or an environment variable is missing or unusable. `missing`: secrets without a value. */
export class ConfigurationError extends TheazoError {
  readonly missing: readonly string[]

  constructor(text: string, missing: readonly string[] = []) {
    super(text)
    this.missing = missing
  }

  static {
    this.prototype.name = 'ConfigurationError'
  }
}

/** A name, id, user or idempotency key that the rules refuse; the message says which and why. Nothing was sent. */
export class InvalidName extends TheazoError {
  static {
    this.prototype.name = 'InvalidName'
  }
}

/** A value can't be sealed. Nothing was sent. */
export class SealingError extends TheazoError {
  static {
    this.prototype.name = 'SealingError'
  }
}

/** Not a public key of the suite, or another platform's; nothing is sealed to it. */
export class InvalidPublicKey extends SealingError {
  static {
    this.prototype.name = 'InvalidPublicKey'
  }
}

/** A value that the rules refuse; the message tells no more of it than its length. */
export class InvalidValue extends SealingError {
  static {
    this.prototype.name = 'InvalidValue'
  }
}

/** What the API said in a problem (RFC 9457), as far as it was one. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string | null
  readonly missing: readonly string[]
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[]
}

/** The API answered, and said no. `code` is stable; `requestId` is what its operator finds in the logs. */
export class APIError extends TheazoError {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string | null
  /** Secrets that aren't there, where that is the problem. */
  readonly missing: readonly string[]
  /** What is wrong where, as JSON pointers into what was sent. */
  readonly errors: Problem['errors']

  constructor(problem: Problem) {
    const request = problem.requestId === null ? '' : `, ${problem.requestId}`
    const places = problem.errors.map(({ pointer, detail }) => `; ${pointer}: ${detail}`).join('')
    super(`${problem.detail}${places} (${problem.status} ${problem.code}${request})`)
    this.status = problem.status
    this.code = problem.code
    this.detail = problem.detail
    this.requestId = problem.requestId
    this.missing = problem.missing
    this.errors = problem.errors
  }

  static {
    this.prototype.name = 'APIError'
  }
}

/** 400: the request breaks a rule; `errors` says where. */
export class InvalidRequest extends APIError {
  static {
    this.prototype.name = 'InvalidRequest'
  }
}

/** 401: the API key is unknown or revoked. */
export class Unauthorized extends APIError {
  static {
    this.prototype.name = 'Unauthorized'
  }
}

/** 403: the API key's platform isn't served any more, or the cluster refuses what was asked; `code` says which. */
export class PermissionDenied extends APIError {
  static {
    this.prototype.name = 'PermissionDenied'
  }
}

/** 404: there is none, or it is another platform's. */
export class NotFound extends APIError {
  static {
    this.prototype.name = 'NotFound'
  }
}

export class SessionNotFound extends NotFound {
  static {
    this.prototype.name = 'SessionNotFound'
  }
}

export class SecretNotFound extends NotFound {
  static {
    this.prototype.name = 'SecretNotFound'
  }
}

export class AgentNotFound extends NotFound {
  static {
    this.prototype.name = 'AgentNotFound'
  }
}

/** 409: what is there stands against it. */
export class Conflict extends APIError {
  static {
    this.prototype.name = 'Conflict'
  }
}

/** 409: Argo CD, Flux or the like keeps it; change it there. */
export class ManagedElsewhere extends Conflict {
  static {
    this.prototype.name = 'ManagedElsewhere'
  }
}

/** 409: the session has expired or is being deleted. */
export class SessionEnded extends Conflict {
  static {
    this.prototype.name = 'SessionEnded'
  }
}

/** 413: too much in one request, or in one session. */
export class TooLarge extends APIError {
  static {
    this.prototype.name = 'TooLarge'
  }
}

/** 422: the request is well formed, but names what isn't there. */
export class Unprocessable extends APIError {
  static {
    this.prototype.name = 'Unprocessable'
  }
}

/** 422: an agent declares secrets that the session doesn't have; `missing` names them. */
export class SecretsMissing extends Unprocessable {
  static {
    this.prototype.name = 'SecretsMissing'
  }
}

/** 422: no compute has this name. */
export class ComputeNotFound extends Unprocessable {
  static {
    this.prototype.name = 'ComputeNotFound'
  }
}

/** 429: too many failed authentications from here, or too many requests at once. */
export class RateLimited extends APIError {
  static {
    this.prototype.name = 'RateLimited'
  }
}

/** 5xx, after all retries. */
export class ServerError extends APIError {
  static {
    this.prototype.name = 'ServerError'
  }
}
