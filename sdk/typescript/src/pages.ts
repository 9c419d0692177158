import { Fields } from './models.js'
import type { Transport } from './transport.js'

/** The items of a list, page by page. */
export async function* pages(
  transport: Transport,
  path: readonly string[],
  field: string,
  filter: Readonly<Record<string, string | undefined>>,
): AsyncGenerator<Fields, void, undefined> {
  let cursor: string | null = null
  do {
    const answer: Fields = new Fields(await transport.send({ method: 'GET', path, query: { ...filter, cursor } }))
    yield* answer.list(field)
    cursor = answer.textOrNull('nextCursor')
  } while (cursor !== null)
}
