// Not run: it is right when it compiles. What the user's page promises, as types.

import { type AgentPhase, type Fetch, type SecretInfo, type Session, Theazo, type TheazoOptions } from '../src/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <T extends true>(): T | undefined => undefined

export async function types(session: Session, theazo: Theazo): Promise<void> {
  const { secrets, agents } = session
  holds<Equal<ReturnType<typeof secrets.set>, Promise<void>>>()
  holds<Equal<ReturnType<typeof secrets.list>, Promise<SecretInfo[]>>>()
  holds<Equal<ReturnType<typeof secrets.delete>, Promise<void>>>()
  holds<Equal<ReturnType<typeof secrets.setFromEnv>, Promise<void>>>()
  holds<Equal<ReturnType<typeof secrets.setFromEnvFile>, Promise<void>>>()
  holds<Equal<SecretInfo, { readonly name: string; readonly createdAt: string; readonly updatedAt: string }>>()
  holds<Equal<ReturnType<typeof session.delete>, Promise<void>>>()
  holds<Equal<Awaited<ReturnType<typeof theazo.sessions.forUser>>, Session>>()
  holds<Equal<Awaited<ReturnType<typeof agents.create>>['phase'], AgentPhase>>()

  new Theazo({ apiKey: 'th_live_...' })
  new Theazo()
  const options: TheazoOptions = { fetch: globalThis.fetch, apiKey: process.env['THEAZO_API_KEY'] }
  const standard: Fetch = globalThis.fetch
  new Theazo({ ...options, fetch: standard })

  await secrets.set({ TEXT: 'x', BYTES: new Uint8Array() }, { required: ['TEXT'] })
  // @ts-expect-error a variable that may not be set is no value
  await secrets.set({ TEXT: process.env['TEXT'] })
  // @ts-expect-error nor is a number
  await secrets.set({ TEXT: 5 })
  // @ts-expect-error values are not declared, names are
  await agents.create({ compute: 'python', secrets: { TEXT: 'x' } })
  await agents.create({ compute: 'python', resources: { limits: { cpu: 1, memory: '256Mi' }, requests: undefined } })
  // @ts-expect-error every agent has a compute
  await agents.create({ secrets: ['TEXT'] })
  // @ts-expect-error `until` is one of two words
  await (await agents.get('a')).wait({ until: 'Running' })
  const phase: 'Running' | 'Pending' = 'Running'
  for await (const agent of agents.list({ phase })) {
    holds<Equal<typeof agent.exitCode, number | null>>()
  }
}
