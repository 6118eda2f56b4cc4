// One official Node client against one address: `node ask.mjs CLIENT URL KEY`, from the folder of node_modules.
// Prints what it got as JSON, as ask.py does.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const TEXTS = ["A man is eating food.", 'naïve café \u2603 "quoted"\n'];

async function caught(call) {
  try {
    await call();
  } catch (error) {
    const classes = [];
    for (let at = error; at && at.constructor !== Object; at = Object.getPrototypeOf(at)) {
      if (!classes.includes(at.constructor.name)) classes.push(at.constructor.name);
    }
    return {
      classes,
      status: error.status ?? error.statusCode ?? error.status_code ?? null,
      text: String(error.message) + (error.error?.message ?? ""),
    };
  }
  return null;
}

const plain = (rows) => rows.map((row) => Array.from(row));

async function askOpenai(version, url, key) {
  const module = await load(version);
  const OpenAI = module.OpenAI ?? module.default.OpenAI ?? module.default;
  const client = new OpenAI({ baseURL: url + "/v1", apiKey: key, maxRetries: 0 });
  const create = (body) => client.embeddings.create(body);
  const rows = async (body) => plain((await create(body)).data.map((e) => e.embedding));
  const wrong = new OpenAI({ baseURL: url + "/v1", apiKey: "wrong", maxRetries: 0 });
  const models = (await client.models.list()).data.map((m) => m.id);
  return {
    default: await rows({ model: "text-embedding-3-small", input: TEXTS }),
    floats: await rows({ model: "m", input: TEXTS, encoding_format: "float" }),
    single: await rows({ model: "m", input: TEXTS[0] }),
    dimensions: await rows({ model: "m", input: TEXTS, dimensions: 384 }),
    models,
    errors: {
      empty: await caught(() => create({ model: "m", input: "" })),
      ids: await caught(() => create({ model: "m", input: [9906, 1917] })),
      dimensions: await caught(() => create({ model: "m", input: "a", dimensions: 7 })),
      unknown: await caught(() => create({ model: "m", input: "a", foo: 1 })),
      key: await caught(() => wrong.embeddings.create({ model: "m", input: "a" })),
      path: await caught(() => client.models.retrieve("no-such-model")),
    },
  };
}

async function askGoogle(version, url, key) {
  const { GoogleGenAI } = await load(version);
  const make = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
  const client = make(key);
  const rows = async (body) => plain((await client.models.embedContent(body)).embeddings.map((e) => e.values));
  const model = "gemini-embedding-001";
  return {
    default: await rows({ model, contents: TEXTS, config: { taskType: "RETRIEVAL_DOCUMENT" } }),
    single: await rows({ model, contents: TEXTS[0] }),
    dimensions: await rows({ model, contents: TEXTS, config: { outputDimensionality: 384 } }),
    errors: {
      many: await caught(() => rows({ model, contents: Array(101).fill("a") })),
      key: await caught(() => make("wrong").models.embedContent({ model, contents: "a" })),
    },
  };
}

async function askOllama(url, key) {
  const { Ollama } = await load("ollama");
  const client = new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } });
  return {
    default: (await client.embed({ model: "m", input: TEXTS })).embeddings,
    single: (await client.embed({ model: "m", input: TEXTS[0] })).embeddings,
    old: [(await client.embeddings({ model: "m", prompt: TEXTS[0] })).embedding],
    models: (await client.list()).models.map((m) => m.model),
    errors: { key: await caught(() => new Ollama({ host: url }).embed({ model: "m", input: "a" })) },
  };
}

async function askCohere(url, key) {
  const { CohereClientV2 } = await load("cohere-ai");
  const make = (token) => new CohereClientV2({ token, environment: url, maxRetries: 0 });
  const body = { texts: TEXTS, model: "embed-v4.0", inputType: "search_document", embeddingTypes: ["float", "int8", "ubinary"] };
  const got = await make(key).embed(body);
  return {
    default: got.embeddings.float,
    int8: got.embeddings.int8,
    ubinary: got.embeddings.ubinary,
    texts: got.texts,
    errors: { key: await caught(() => make("wrong").embed(body, { maxRetries: 0 })) },
  };
}

const [client, url, key] = process.argv.slice(2);
const asked = client.startsWith("openai-")
  ? askOpenai(client, url, key)
  : client.startsWith("genai-")
    ? askGoogle(client, url, key)
    : { ollama: askOllama, "cohere-ai": askCohere }[client](url, key);
process.stdout.write(JSON.stringify(await asked));
