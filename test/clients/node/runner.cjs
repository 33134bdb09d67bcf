// Anthropic's tool runner, which calls the application's functions until the model
// has its answer; whole and streamed. Standard output: what the model said last, of
// each.
"use strict";

const { Anthropic } = require("@anthropic-ai/sdk");
const { betaTool } = require("@anthropic-ai/sdk/helpers/beta/json-schema");

const weather = betaTool({
  name: "weather",
  description: "The weather in a city",
  inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  run: ({ city }) => `sunny in ${city}`,
});

async function main() {
  const client = new Anthropic({ maxRetries: 0 });
  const said = [];
  for (const stream of [false, true]) {
    const runner = client.beta.messages.toolRunner({
      model: "ep-20250101000000-abcde", max_tokens: 100, tools: [weather], stream,
      messages: [{ role: "user", content: "the weather in 北京" }],
    });
    let last;
    for await (const turn of runner) last = stream ? await turn.finalMessage() : turn;
    said.push(last.content.map((block) => block.text ?? "").join(""));
  }
  process.stdout.write(JSON.stringify(said));
}

main();
