// A reporter beside the one that people read: under THEAZO_FAIL_ON_SKIP=1 a test that was skipped fails the run.
export default async function* noSkips(events) {
  for await (const { type, data } of events) {
    const ended = type === 'test:pass' || type === 'test:fail'
    if (!ended || process.env.THEAZO_FAIL_ON_SKIP !== '1') continue
    if (data.skip === undefined && data.todo === undefined) continue
    process.exitCode = 1
    yield `error: ${data.name} was skipped\n`
  }
}
