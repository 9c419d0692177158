/** Where Node.js, Deno and Bun look for what `console.log` shall show of an object. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

type Inspect = (value: unknown, options: object) => string

/** Its text for people and its JSON are the same few facts, chosen by the class: ids and times, no value, no key. */
export abstract class Shown {
  abstract toJSON(): object

  /** @internal */
  protected abstract get kind(): string

  [INSPECT](_depth: number, options: object, inspect: Inspect): string {
    return `${this.kind} ${inspect(this.toJSON(), options)}`
  }

  toString(): string {
    return `[${this.kind}]`
  }
}
