// Chats with the openai package. Standard input: requests, a JSON array.
//
// The address and the key come from the environment, as in any application that
// knows nothing of sealcar. So do the proxies: Node 20 has no switch for that, so
// undici's agent does what NODE_USE_ENV_PROXY=1 does in later versions.
"use strict";

const { readFileSync } = require("node:fs");
const OpenAI = require("openai");
const { EnvHttpProxyAgent, fetch } = require("undici");

function newAnswer() {
  const reply = { id: null, model: null, choices: [], usage: null, chunks: 0 };
  const add = (message, member) => {
    reply.id = message.id;
    reply.model = message.model;
    const usage = message.usage;
    if (usage) reply.usage = [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens];
    for (const from of message.choices) {
      while (reply.choices.length <= from.index) reply.choices.push({ text: "", finish_reason: null, tools: [] });
      const choice = reply.choices[from.index];
      choice.text += from[member].content ?? "";
      choice.finish_reason = from.finish_reason ?? choice.finish_reason;
      for (const call of from[member].tool_calls ?? []) {
        if (call.function.name) choice.tools.push({ name: call.function.name, arguments: "" });
        choice.tools.at(-1).arguments += call.function.arguments ?? "";
      }
    }
  };
  return { reply, add };
}

async function chat(client, params) {
  const { reply, add } = newAnswer();
  try {
    const got = await client.chat.completions.create(params);
    if (params.stream) {
      for await (const chunk of got) {
        reply.chunks++;
        add(chunk, "delta");
      }
    } else {
      add(got, "message");
    }
  } catch (err) {
    if (!(err instanceof OpenAI.APIError) || !err.status) throw err;
    return { error: { status: err.status, code: err.code } };
  }
  return reply;
}

async function main() {
  const client = new OpenAI({ maxRetries: 0, fetch, fetchOptions: { dispatcher: new EnvHttpProxyAgent() } });
  const answers = [];
  for (const params of JSON.parse(readFileSync(0, "utf8"))) answers.push(await chat(client, params));
  process.stdout.write(JSON.stringify(answers));
}

main();
