// @langchain/openai.
"use strict";

const { ChatOpenAI } = require("@langchain/openai");
const { run } = require("./cell.cjs");

run(async (request, seen) => {
  let model = new ChatOpenAI({ model: request.model, n: request.n, maxRetries: 2 });
  if (request.tools) model = model.bindTools(request.tools);
  if (request.n) {
    const { generations } = await model.generate([request.messages]);
    generations[0].forEach((generation, index) => take(seen, generation.message, index));
    return;
  }
  if (!request.stream) return take(seen, await model.invoke(request.messages));
  let whole;
  for await (const chunk of await model.stream(request.messages)) {
    whole = whole ? whole.concat(chunk) : chunk;
    if (seen.event(chunk.text)) break;
  }
  take(seen, whole);
});

function take(seen, message, index = 0) {
  const choice = seen.choice(index);
  choice.text = message.text;
  choice.finish = message.response_metadata.finish_reason ?? "";
  for (const call of message.tool_calls ?? []) seen.tool(index, call.name, call.args);
  const usage = message.usage_metadata;
  if (usage) seen.usage(usage.input_tokens, usage.output_tokens, usage.total_tokens);
}
