// The sealing format, written from its description alone and on other libraries than the product's.
// Reads a JSON list of {op, ...} from stdin and writes the list of answers; bytes are hex, except in an envelope.
import { createHash, hkdfSync } from "node:crypto";
import { text } from "node:stream/consumers";
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

const SUITE = "xwing-sha256-aes256gcm";
const ENCAPSULATED_KEY_LENGTH = 1120;
const hpke = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

// A copy: these libraries read `.buffer`, which of a Buffer may be a whole pool.
const fromHex = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const toHex = (bytes) => Buffer.from(bytes).toString("hex");

function lengthPrefixed(...parts) {
  return new Uint8Array(
    Buffer.concat(
      parts.flatMap((part) => {
        const bytes = Buffer.from(part, "utf8");
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.length);
        return [length, bytes];
      }),
    ),
  );
}

const info = (header, b) => lengthPrefixed(header, b.platform, b.session, b.sealingId, b.name);

async function platformKey(masterKey, platform) {
  const derivation = lengthPrefixed("theazo platform key", "1", SUITE, platform);
  const seed = new Uint8Array(hkdfSync("sha256", fromHex(masterKey), new Uint8Array(), derivation, 32));
  return { seed, pair: await hpke.kem.generateKeyPairDerand(seed) };
}

function keyId(publicKey) {
  return createHash("sha256").update(SUITE).update(publicKey).digest("hex").slice(0, 16);
}

const operations = {
  async keys({ masterKey, platform }) {
    const { seed, pair } = await platformKey(masterKey, platform);
    const publicKey = await hpke.kem.serializePublicKey(pair.publicKey);
    return { seed: toHex(seed), publicKey: toHex(publicKey), keyId: keyId(new Uint8Array(publicKey)) };
  },

  async seal({ publicKey, binding, value }) {
    const raw = fromHex(publicKey);
    const header = `thz1.${SUITE}.${keyId(raw)}`;
    const recipientPublicKey = await hpke.kem.deserializePublicKey(raw);
    const { enc, ct } = await hpke.seal({ recipientPublicKey, info: info(header, binding) }, fromHex(value));
    return `${header}.${Buffer.concat([Buffer.from(enc), Buffer.from(ct)]).toString("base64url")}`;
  },

  async open({ masterKey, binding, envelope }) {
    const dot = envelope.lastIndexOf(".");
    const payload = new Uint8Array(Buffer.from(envelope.slice(dot + 1), "base64url"));
    const { pair } = await platformKey(masterKey, binding.platform);
    const enc = payload.slice(0, ENCAPSULATED_KEY_LENGTH);
    const parameters = { recipientKey: pair.privateKey, enc, info: info(envelope.slice(0, dot), binding) };
    try {
      return toHex(await hpke.open(parameters, payload.slice(ENCAPSULATED_KEY_LENGTH)));
    } catch {
      return null;
    }
  },
};

const answers = [];
for (const request of JSON.parse(await text(process.stdin))) {
  answers.push(await operations[request.op](request));
}
process.stdout.write(JSON.stringify(answers));
