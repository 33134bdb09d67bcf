// The openai package.
"use strict";

const OpenAI = require("openai");
const { run } = require("./cell.cjs");

const client = new OpenAI();

run(async (request, seen) => {
  const reply = await client.chat.completions.create(request);
  if (!request.stream) return seen.whole(reply);
  for await (const chunk of reply) {
    if (seen.chunk(chunk)) break; // which ends the request
  }
});
