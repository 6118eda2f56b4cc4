// Requests as llhttp reads them: `node llhttp.mjs` prints its port. Each request is answered with its method, target and
// body; whatever is no request is answered 400 and the connection closed.
import http from "node:http";

const server = http.createServer({ keepAliveTimeout: 2000 }, async (request, response) => {
  const pieces = [];
  try {
    for await (const piece of request) pieces.push(piece);
  } catch {
    return;
  }
  const seen = JSON.stringify([request.method, request.url, Buffer.concat(pieces).toString("latin1")]);
  response.writeHead(200, { "content-length": Buffer.byteLength(seen) });
  response.end(seen);
});
// what was read before the fault is answered first
server.on("clientError", (error, socket) => setTimeout(() => socket.end("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"), 30));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
