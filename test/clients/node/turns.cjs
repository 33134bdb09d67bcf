// A conversation as the Vercel AI SDK documents it: what a turn gave
// (response.messages) goes into the next one. VERCEL_PROVIDER is chat (openai.chat)
// or responses (openai, as it is called if nothing else is asked for). Standard
// output: of each turn the text and the number of input tokens, which grow with
// what was said before.
"use strict";

const { createOpenAI } = require("@ai-sdk/openai");
const { generateText, jsonSchema, stepCountIs, streamText, tool } = require("ai");

const openai = createOpenAI();
const model = (process.env.VERCEL_PROVIDER === "chat" ? openai.chat : openai)("ep-20250101000000-abcde");
const weather = tool({
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => `sunny in ${city}`,
});

async function streamed(options) {
  const stream = streamText({ ...options, onError() {} });
  for await (const part of stream.fullStream) if (part.type === "error") throw part.error;
  return { text: await stream.text, usage: await stream.totalUsage, response: await stream.response };
}

async function main() {
  const messages = [], turns = [];
  for (const [ask, content, more] of [
    [generateText, "one two three", {}],
    [streamed, "four five six", {}],
    [generateText, "the weather in 北京", { tools: { weather }, stopWhen: stepCountIs(3) }],
    [streamed, "and now?", {}],
  ]) {
    messages.push({ role: "user", content });
    const { text, response, totalUsage, usage } = await ask({ model, messages, maxRetries: 0, ...more });
    messages.push(...response.messages);
    turns.push({ text, input: (totalUsage ?? usage).inputTokens });
  }
  process.stdout.write(JSON.stringify(turns));
}

main();
