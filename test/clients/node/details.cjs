// A streamed chat by a plain HTTP client, which is the argument: undici (with
// HTTP/2) or https (with Expect: 100-continue). In and out as for
// python/details.py.
"use strict";

const { subscribe } = require("node:diagnostics_channel");
const { readFileSync } = require("node:fs");
const { request: httpsRequest } = require("node:https");
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

({ undici: byUndici, https: byHTTPS })[process.argv[2]]().then((got) => {
  process.stdout.write(JSON.stringify(got), () => process.exit()); // kept connections would hold it back
});
