// The Vercel AI SDK. VERCEL_PROVIDER is the way it takes: compatible
// (@ai-sdk/openai-compatible), chat (openai.chat) or responses (openai, as it is
// called if nothing else is asked for).
"use strict";

const { createOpenAI } = require("@ai-sdk/openai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");
const { generateText, jsonSchema, streamText, tool } = require("ai");
const { run } = require("./cell.cjs");

const openai = createOpenAI();
const { APP_BASE_URL: baseURL, OPENAI_API_KEY: apiKey } = process.env;
const model = {
  compatible: baseURL && createOpenAICompatible({ name: "ark", baseURL, apiKey, includeUsage: true }),
  chat: openai.chat,
  responses: openai,
}[process.env.VERCEL_PROVIDER];

run(async (request, seen) => {
  const options = {
    model: model(request.model),
    ...messages(request.messages),
    tools: Object.fromEntries((request.tools ?? []).map(({ function: f }) => [f.name, tool({ description: f.description, inputSchema: jsonSchema(f.parameters) })])),
  };
  if (!request.stream) return take(seen, await generateText(options));
  const gaveUp = new AbortController();
  const stream = streamText({ ...options, abortSignal: gaveUp.signal, onError() {} }); // errors come as parts too
  for await (const part of stream.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type !== "text-delta") continue;
    if (seen.event(part.text)) return gaveUp.abort();
  }
  const parts = ["text", "finishReason", "toolCalls", "usage"];
  const values = await Promise.all(parts.map((name) => stream[name]));
  take(seen, Object.fromEntries(parts.map((name, i) => [name, values[i]])));
});

function take(seen, { text, finishReason, toolCalls, usage }) {
  Object.assign(seen.choice(), { text, finish: finishReason });
  for (const call of toolCalls) seen.tool(0, call.toolName, call.input);
  seen.usage(usage.inputTokens, usage.outputTokens, usage.totalTokens);
}

// messages are those of a chat completion in the SDK's form, which has
// instructions beside them.
function messages(all) {
  const told = all.filter((m) => m.role === "system").map((m) => m.content);
  return {
    ...(told.length ? { system: told.join("\n") } : {}),
    messages: all.filter((m) => m.role !== "system").map(({ role, content }) => ({
      role,
      content: typeof content === "string" ? content : content.map((part) => part.type === "text" ? part : { type: "image", image: part.image_url.url }),
    })),
  };
}
