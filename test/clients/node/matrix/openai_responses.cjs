// The openai package's Responses API. OPENAI_API=chat_completions is for endpoints
// without it.
"use strict";

const OpenAI = require("openai");
const { run } = require("./cell.cjs");

const client = new OpenAI();

async function chat(request, seen) {
  const params = { model: request.model, input: request.messages.map(({ role, content }) => ({ role, content: parts(content) })), tools: tools(request) };
  if (!request.stream) return take(seen, await client.responses.create(params));
  for await (const event of await client.responses.create({ ...params, stream: true })) {
    if (event.type === "response.created") seen.named(event.response.model);
    if (event.type === "response.output_text.delta") {
      seen.choice().text += event.delta;
      if (seen.event(event.delta)) return; // which ends the request
    }
    if (event.type === "response.completed") return take(seen, event.response);
  }
  throw new Error("the stream has ended without response.completed");
}

const parts = (content) => typeof content === "string" ? content : content.map((part) =>
  part.type === "text" ? { type: "input_text", text: part.text } : { type: "input_image", detail: "auto", image_url: part.image_url.url });

const tools = (request) => (request.tools ?? []).map((tool) => ({ type: "function", strict: false, ...tool.function }));

function take(seen, response) {
  seen.named(response.model);
  const texts = response.output.filter((item) => item.type === "message").flatMap((item) => item.content);
  seen.choice().text = texts.map((part) => part.text).join("");
  for (const item of response.output) if (item.type === "function_call") seen.tool(0, item.name, item.arguments);
  seen.usage(response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens);
}

// plainChat is the same on chat completions, to compare with.
async function plainChat(request, seen) {
  const reply = await client.chat.completions.create(request);
  if (!request.stream) {
    seen.whole(reply);
  } else {
    for await (const chunk of reply) {
      const said = seen.take(chunk, "delta").replace(/^0:/, "");
      if (said && seen.event(said)) return;
    }
  }
  seen.choice().finish = ""; // a response has another word for it
}

run(process.env.OPENAI_API === "chat_completions" ? plainChat : chat);
