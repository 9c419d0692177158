// Reads env files, strictly: what different programs read differently is refused, since a value must not be guessed.
//
//     # a comment, on a line of its own or after a quoted value
//     NAME=value                  spaces around it don't count; `export ` before the name is allowed
//     NAME='a $literal \value'    as it is, over several lines too
//     NAME="a \"quoted\" line\n"  \n \r \t \" \\ \$ are escapes, other backslashes an error; over several lines too
//
// Nothing is interpolated: `$HOME` is these five characters. Line ends are LF or CRLF and come out as LF.

const BLANK = /[ \t]*(?:#[^\n]*)?(?:\n|$)/y // also what may stand after a quoted value
const NAME = /[ \t]*(?:export[ \t]+)?((?:[^\s=#'"]|\ufeff)+)[ \t]*=[ \t]*/y
const QUOTED = /'([^']*)'|"((?:[^"\\]|\\.)*)"/sy
const ESCAPE = /\\(.)/gs
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$' }

/** One assignment, or, where `problem` is set, why there is none. Lines count from 1. A problem never quotes. */
export interface Line {
  readonly number: number
  readonly name: string
  readonly value: string
  readonly problem: string
}

/** Every assignment of an env file in order, duplicates too. A quote that is never closed ends the reading. */
export function parseEnvFile(text: string): Line[] {
  const all = text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n')
  const lines: Line[] = []
  let position = 0
  let number = 1
  while (position < all.length) {
    const start = position
    const blank = matchAt(BLANK, all, start)
    if (blank) {
      position = start + blank[0].length
    } else {
      const [line, end] = assignment(all, start, number)
      lines.push(line)
      position = end
    }
    number += all.slice(start, position).split('\n').length - 1
  }
  return lines
}

function assignment(text: string, start: number, number: number): [Line, number] {
  const line = { number, name: '', value: '', problem: '' }
  const found = matchAt(NAME, text, start)
  if (!found) {
    return [{ ...line, problem: 'is not NAME=VALUE; a value of several lines needs quotes' }, lineEnd(text, start)]
  }
  const name = found[1] ?? ''
  const begin = start + found[0].length
  if (text[begin] === "'" || text[begin] === '"') {
    return quoted(text, begin, { ...line, name })
  }
  const end = lineEnd(text, begin)
  const value = text.slice(begin, end).replace(/^[ \t\n]+|[ \t\n]+$/g, '')
  if (/(?:^|[ \t])#/.test(value)) {
    return [{ ...line, problem: 'has a # that may begin a comment; put the value in quotes' }, end]
  }
  return [{ ...line, name, value }, end]
}

function quoted(text: string, start: number, line: Line): [Line, number] {
  const found = matchAt(QUOTED, text, start)
  if (!found) {
    return [{ ...line, name: '', problem: 'begins a quote that is never closed' }, text.length]
  }
  const close = start + found[0].length
  const after = matchAt(BLANK, text, close)
  if (!after) {
    const problem = 'has text after its closing quote; inside double quotes a quote is written \\"'
    return [{ ...line, name: '', problem }, lineEnd(text, close)]
  }
  const end = close + after[0].length
  const double = found[2]
  if (double === undefined) {
    return [{ ...line, value: found[1] ?? '' }, end]
  }
  if ([...double.matchAll(ESCAPE)].some(([, letter]) => ESCAPES[letter ?? ''] === undefined)) {
    const problem = 'has an unknown escape; write \\\\ for a backslash, or use single quotes'
    return [{ ...line, name: '', problem }, end]
  }
  return [{ ...line, value: double.replace(ESCAPE, (_, letter: string) => ESCAPES[letter] ?? '') }, end]
}

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position
  return pattern.exec(text)
}

function lineEnd(text: string, position: number): number {
  const found = text.indexOf('\n', position)
  return found < 0 ? text.length : found + 1
}
