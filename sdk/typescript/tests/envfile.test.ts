import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEnvFile } from '../src/envfile.js'

function read(text: string): string[] {
  return parseEnvFile(text).map(({ number, name, value, problem }) => `${number} ${problem || `${name}=${value}`}`)
}

test('assignments', () => {
  assert.deepEqual(read('A=1\n\n  # comment\n export  B = two words \nC=\r\nD=a#b\n'), [
    '1 A=1',
    '4 B=two words',
    '5 C=',
    '6 D=a#b',
  ])
})

test('quotes', () => {
  assert.deepEqual(read('A=\'$x \\n\'\nB="a\\"b\\n\\$" # why\nC="two\nlines"\nD=\'\''), [
    '1 A=$x \\n',
    '2 B=a"b\n$',
    '3 C=two\nlines',
    '5 D=',
  ])
})

test('what others read differently is refused, without a word of it', () => {
  assert.deepEqual(read('CANARY\nA=CANARY # x\nB="\\x"\nC=\'x\' CANARY\nD="CANARY'), [
    '1 is not NAME=VALUE; a value of several lines needs quotes',
    '2 has a # that may begin a comment; put the value in quotes',
    '3 has an unknown escape; write \\\\ for a backslash, or use single quotes',
    '4 has text after its closing quote; inside double quotes a quote is written \\"',
    '5 begins a quote that is never closed',
  ])
})
