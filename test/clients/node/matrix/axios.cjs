// axios, as plain HTTP.
"use strict";

const axios = require("axios");
const { run, takeStream, url, headers } = require("./cell.cjs");

run(async (request, seen) => {
  const reply = await axios.post(url("/chat/completions"), request, {
    headers,
    responseType: request.stream ? "stream" : "json",
    validateStatus: () => true,
  });
  if (reply.status !== 200) throw Object.assign(new Error(JSON.stringify(reply.data)), { status: reply.status });
  if (!request.stream) return seen.whole(reply.data);
  await takeStream(reply.data, seen);
});
