// Calls of the Responses API with the openai package and of the Messages API with
// the one of Anthropic. Standard input: a JSON array of {api, mode, params}, as
// for python/dialects.py.
"use strict";

const { readFileSync } = require("node:fs");
const { Anthropic } = require("@anthropic-ai/sdk");
const OpenAI = require("openai");
const { EnvHttpProxyAgent, fetch } = require("undici");

function ofResponse(response, said = null) {
  const usage = response.usage;
  const texts = response.output.filter((item) => item.type === "message").flatMap((item) => item.content);
  const calls = response.output.filter((item) => item.type === "function_call");
  return {
    id: response.id, model: response.model, end: response.status, said,
    text: texts.map((part) => part.text ?? "").join(""),
    tools: calls.map((call) => ({ name: call.name, arguments: call.arguments })),
    usage: usage && [usage.input_tokens, usage.output_tokens, usage.total_tokens],
  };
}

function ofMessage(message, said = null) {
  const { input_tokens: input, output_tokens: output } = message.usage;
  const of = (type) => message.content.filter((block) => block.type === type);
  return {
    id: message.id, model: message.model, end: message.stop_reason, said,
    text: of("text").map((block) => block.text).join(""),
    tools: of("tool_use").map((call) => ({ name: call.name, arguments: JSON.stringify(call.input) })),
    usage: [input, output, input + output],
  };
}

async function responses(client, mode, params) {
  if (mode === "whole") return ofResponse(await client.responses.create(params));
  if (mode === "helper") return ofResponse(await client.responses.stream(params).finalResponse());
  let said = "", final, number = 0;
  for await (const event of await client.responses.create({ ...params, stream: true })) {
    if (event.sequence_number !== number++) throw new Error(`event ${number - 1} has the number ${event.sequence_number}`);
    if (event.type === "response.output_text.delta") said += event.delta;
    if (event.type === "response.completed" || event.type === "response.incomplete") final = event.response;
  }
  return ofResponse(final, said);
}

async function messages(client, mode, params) {
  if (mode === "whole") return ofMessage(await client.messages.create(params));
  if (mode === "helper") return ofMessage(await client.messages.stream(params).finalMessage());
  let said = "", final;
  for await (const event of await client.messages.create({ ...params, stream: true })) {
    const block = final?.content[event.index];
    if (event.type === "message_start") final = event.message;
    if (event.type === "content_block_start") final.content.push(event.content_block);
    if (event.delta?.type === "text_delta") {
      said += event.delta.text;
      block.text += event.delta.text;
    }
    if (event.delta?.type === "input_json_delta") block.json = (block.json ?? "") + event.delta.partial_json;
    if (event.type === "content_block_stop" && block.type === "tool_use") block.input = JSON.parse(block.json);
    if (event.type === "message_delta") Object.assign(final, { stop_reason: event.delta.stop_reason, usage: event.usage });
    if (event.type === "message_stop") return ofMessage(final, said);
  }
  throw new Error("the stream has no message_stop");
}

async function main() {
  const options = { maxRetries: 0, fetch, fetchOptions: { dispatcher: new EnvHttpProxyAgent() } };
  const apis = { responses: [responses, new OpenAI(options)], messages: [messages, new Anthropic(options)] };
  const answers = [];
  for (const { api, mode, params } of JSON.parse(readFileSync(0, "utf8"))) {
    const [call, client] = apis[api];
    try {
      answers.push(await call(client, mode, params));
    } catch (err) {
      if (!(err instanceof OpenAI.APIError || err instanceof Anthropic.APIError) || !err.status) throw err;
      answers.push({ error: { status: err.status, code: err.code ?? err.error?.error?.code, request_id: err.requestID } });
    }
  }
  process.stdout.write(JSON.stringify(answers));
}

main();
