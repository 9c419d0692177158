// Asks the built TypeScript SDK: reads a JSON list of {op, ...} from stdin and writes the list of answers.
// Bytes are hex; a refusal is {"error": its class's name, "message": its text}.
import { text } from "node:stream/consumers";

const dist = new URL("../../sdk/typescript/dist/", import.meta.url);
const [rules, sealing, envfile] = await Promise.all(
  ["rules.js", "sealing.js", "envfile.js"].map((file) => import(new URL(file, dist))),
);
const fromHex = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

const operations = {
  keyId: ({ publicKey }) => sealing.PublicKey.fromBase64(publicKey).keyId,
  info: ({ header, binding }) => Buffer.from(sealing.hpkeInfo(header, binding)).toString("hex"),
  sessionName: ({ platform, user }) => rules.sessionName(platform, user),
  checkName: ({ name }) => rules.checkName(name) ?? null,
  checkValue: ({ value }) => Buffer.from(rules.valueBytes(fromHex(value), "the value")).toString("hex"),
  envFile: ({ content }) => envfile.parseEnvFile(content),
  seal: ({ value, binding, publicKey }) =>
    sealing.seal(fromHex(value), binding, sealing.PublicKey.fromBase64(publicKey)),
};

const answers = [];
for (const { op, ...request } of JSON.parse(await text(process.stdin))) {
  try {
    answers.push(await operations[op](request));
  } catch (error) {
    answers.push({ error: error.name, message: error.message });
  }
}
process.stdout.write(JSON.stringify(answers));
