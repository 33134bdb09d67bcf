// fetch, as plain HTTP.
"use strict";

const { run, takeStream, url, headers } = require("./cell.cjs");

run(async (request, seen) => {
  const reply = await fetch(url("/chat/completions"), {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });
  if (!reply.ok) throw Object.assign(new Error(await reply.text()), { status: reply.status });
  if (!request.stream) return seen.whole(await reply.json());
  await takeStream(reply.body, seen);
});
