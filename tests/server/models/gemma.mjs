// Gemma through llama.cpp's Node binding behind OpenAI's path: 640 dimensions, of the length that the model gives them.
// `node gemma.mjs MODEL.gguf` from the folder of node_modules; prints its port when it is ready.
import http from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: 1 });
const model = await llama.loadModel({ modelPath: process.argv[2] });
const context = await model.createEmbeddingContext({ contextSize: 512 });

function send(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

async function embed(body) {
  const inputs = Array.isArray(body.input) ? body.input : [body.input];
  const data = [];
  for (const [index, text] of inputs.entries()) {
    const { vector } = await context.getEmbeddingFor(text);
    data.push({ object: "embedding", index, embedding: vector });
  }
  const tokens = inputs.reduce((sum, text) => sum + model.tokenize(text).length, 0);
  return { object: "list", data, model: "gemma", usage: { prompt_tokens: tokens, total_tokens: tokens } };
}

const server = http.createServer(async (request, response) => {
  if (request.method === "GET") {
    const listed = request.url === "/v1/models";
    return send(response, listed ? 200 : 404, listed
      ? { object: "list", data: [{ id: "gemma", object: "model", created: 0, owned_by: "tests" }] }
      : { error: { message: "no such path", type: "not_found", param: null, code: null } });
  }
  try {
    let text = "";
    for await (const piece of request) text += piece;
    send(response, 200, await embed(JSON.parse(text)));
  } catch (error) {
    send(response, 500, { error: { message: String(error), type: "server_error", param: null, code: null } });
  }
});
server.listen(0, "127.0.0.1", () => console.log(`ready on ${server.address().port}`));
