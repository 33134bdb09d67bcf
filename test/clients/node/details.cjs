// A streamed chat by a plain HTTP client, which is the argument: undici (with
// HTTP/2), https (with Expect: 100-continue) or http2 (which speaks nothing but
// HTTP/2). In and out as for python/details.py.
"use strict";

const { subscribe } = require("node:diagnostics_channel");
const { readFileSync } = require("node:fs");
const { request: httpRequest } = require("node:http");
const { connect } = require("node:http2");
const { request: httpsRequest } = require("node:https");
const { connect: connectTLS } = require("node:tls");
const { EnvHttpProxyAgent, request } = require("undici");

const url = process.env.APP_BASE_URL + "/chat/completions";
const headers = {
  Authorization: `Bearer ${process.env.OPENAI_API_KEY}`,
  "Content-Type": "application/json",
  "X-Client-Request-Id": "request-1",
};
const body = readFileSync(0, "utf8");

function seen(version, from, trailers, continued, text) {
  return {
    version, cookies: from["set-cookie"] ?? [], request_id: from["x-client-request-id"],
    trailer: trailers["x-checksum"] ?? "", continued, done: text.trimEnd().endsWith("[DONE]"),
  };
}

async function byUndici() {
  let version;
  subscribe("undici:client:connected", ({ connectParams }) => {
    if (connectParams.protocol === "https:") version = connectParams.version === "h2" ? "2" : "1.1"; // of the last, inside the CONNECT
  });
  const reply = await request(url, { method: "POST", headers, body, dispatcher: new EnvHttpProxyAgent({ allowH2: true }) });
  const text = await reply.body.text();
  return seen(version, reply.headers, reply.trailers, null, text);
}

function byHTTPS() {
  return new Promise((resolve, reject) => {
    let continued = false;
    const sent = httpsRequest(url, { method: "POST", headers: { ...headers, Expect: "100-continue", "Content-Length": Buffer.byteLength(body) } }, (reply) => {
      let text = "";
      reply.setEncoding("utf8");
      reply.on("data", (piece) => { text += piece; });
      reply.on("end", () => resolve(seen(reply.httpVersion, reply.headers, reply.trailers, continued, text)));
    });
    sent.on("error", reject);
    sent.on("continue", () => {
      continued = true;
      sent.end(body);
    });
    sent.flushHeaders();
  });
}

function tunnel({ hostname }) {
  const proxy = new URL(process.env.HTTPS_PROXY);
  return new Promise((resolve, reject) => {
    httpRequest({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path: `${hostname}:443` })
      .on("connect", (_, socket) => resolve(connectTLS({ socket, servername: hostname, ALPNProtocols: ["h2"] })))
      .on("error", reject).end();
  });
}

async function byHTTP2() {
  const { origin, pathname, hostname } = new URL(url);
  const socket = await tunnel({ hostname });
  const session = connect(origin, { createConnection: () => socket });
  return new Promise((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({ ":method": "POST", ":path": pathname, ...headers });
    let from, trailers = {}, text = "";
    stream.setEncoding("utf8");
    stream.on("response", (got) => { from = got; });
    stream.on("trailers", (got) => { trailers = got; });
    stream.on("data", (piece) => { text += piece; });
    stream.on("error", reject);
    stream.on("end", () => resolve(seen(session.alpnProtocol === "h2" ? "2" : session.alpnProtocol, from, trailers, null, text)));
    stream.end(body);
  });
}

({ undici: byUndici, https: byHTTPS, http2: byHTTP2 })[process.argv[2]]().then((got) => {
  process.stdout.write(JSON.stringify(got), () => process.exit()); // kept connections would hold it back
});
