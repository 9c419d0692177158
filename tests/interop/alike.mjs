// Drives the built TypeScript SDK as test_sdks_alike.py drives the Python one: reads a JSON list from stdin, and writes
// the list of what came out.
import { text } from "node:stream/consumers";

const dist = new URL("../../sdk/typescript/dist/", import.meta.url);
const [sdk, testing] = await Promise.all(["index.js", "testing/index.js"].map((file) => import(new URL(file, dist))));

const calls = {
  forUser: (client, { user }) => client.sessions.forUser(user),
  listUser: async (client, { user }) => {
    for await (const _ of client.sessions.list({ user })) {
      // only whether it may be asked counts
    }
  },
  session: (client, { session }) => client.sessions.get(session),
  set: async (client, { session, values }) => (await client.sessions.get(session)).secrets.set(values),
  create: async (client, { session, options }) => (await client.sessions.get(session)).agents.create(options),
};

/** One call, whose requests get these answers in this order. */
async function call({ call: name, answers, baseUrl, apiKey, fingerprint, ...given }) {
  const [asked, slept] = [[], []];
  let [elapsed, body] = [0, null];
  const clock = {
    now: () => elapsed,
    random: () => 1,
    sleep: async (ms) => {
      slept.push(ms / 1000);
      elapsed += ms;
    },
  };
  const fetch = async (url, request) => {
    asked.push(`${request.method} ${url.slice(baseUrl.length)}`);
    body = request.body === undefined ? body : JSON.parse(request.body);
    const [status, headers, content] = answers.shift();
    return { status, headers: new Headers(headers), text: async () => content };
  };
  const client = new sdk.Theazo({ apiKey, baseUrl, fingerprint, fetch, clock });
  const { error, code, message } = await outcome(() => calls[name](client, given));
  return { error, code, message, asked, slept, body };
}

async function outcome(action) {
  try {
    await action();
    return { error: null, code: null, message: null };
  } catch (error) {
    return { error: error.name, code: error.code ?? null, message: error.message };
  }
}

/** One story on the API in memory: what is seen after each step. */
async function story({ starts, steps }) {
  const fake = new testing.FakeTheazo({ starts });
  const session = await fake.client().sessions.forUser("user_123");
  const [seen, ids] = [[], []];
  let agent = null;
  const verbs = {
    set: (values) => session.secrets.set(values),
    create: async ({ key: idempotencyKey, ...options }) => {
      agent = await session.agents.create({ ...options, idempotencyKey });
    },
    start: () => fake.start(agent.id),
    stall: () => fake.stall(agent.id),
    end: (exitCode) => fake.end(agent.id, exitCode),
    delete: () => agent.delete(),
  };
  for (const [verb, given] of steps) {
    try {
      await verbs[verb](given);
      agent = verb === "delete" || agent === null ? null : await session.agents.get(agent.id);
      seen.push(agent && shown(agent, ids));
    } catch (error) {
      seen.push({ error: error.name, code: error.code, missing: [...error.missing] });
    }
  }
  return seen;
}

function shown(agent, ids) {
  const { id, compute, phase, reason, message, stalled, secrets, exitCode } = agent;
  if (!ids.includes(id)) {
    ids.push(id);
  }
  const declared = secrets.map(({ name, from, updatedAt }) => [name, from, updatedAt !== null]);
  const [pod, started, finished] = [agent.podName, agent.startedAt, agent.finishedAt].map((each) => each !== null);
  return { number: ids.indexOf(id), compute, phase, reason, message, stalled, declared, pod, exitCode, started, finished };
}

/** Each error with its parent. */
function tree() {
  const kinds = Object.values(sdk).filter((kind) => kind?.prototype instanceof sdk.TheazoError);
  return Object.fromEntries(kinds.map((kind) => [kind.prototype.name, Object.getPrototypeOf(kind).prototype.name]));
}

const operations = { call, story, tree };
const answers = [];
for (const { op, ...request } of JSON.parse(await text(process.stdin))) {
  answers.push(await operations[op](request));
}
process.stdout.write(JSON.stringify(answers));
