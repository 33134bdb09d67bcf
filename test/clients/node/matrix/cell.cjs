// What every program of the matrix shares; see python/matrix/cell.py.
"use strict";

const { readFileSync } = require("node:fs");

// Seen is what an application saw of one chat.
class Seen {
  constructor(stopAfter) {
    this.stopAfter = stopAfter;
    this.answer = { choices: [], usage: null, events: [], model: null };
  }

  choice(index = 0) {
    const { choices } = this.answer;
    while (choices.length <= index) choices.push({ text: "", finish: "", tools: [] });
    return choices[index];
  }

  // event notes an event of a stream, and tells whether there were enough.
  event(text) {
    return this.answer.events.push(text) === this.stopAfter;
  }

  // tool adds a call, or the next piece of the last one.
  tool(index, name, args) {
    const { tools } = this.choice(index);
    if (name) tools.push({ name, arguments: "" });
    tools.at(-1).arguments += typeof args === "string" ? args : JSON.stringify(args);
  }

  usage(...tokens) {
    this.answer.usage = tokens;
  }

  // whole takes a chat.completion, chunk a chat.completion.chunk.
  whole(completion) {
    this.take(completion, "message");
  }

  chunk(chunk) {
    return this.event(this.take(chunk, "delta"));
  }

  // named notes the model that a document names; two names are one too many.
  named(model) {
    if (this.answer.model !== null && this.answer.model !== model) throw new Error(`the model is ${this.answer.model} and ${model}`);
    this.answer.model = model;
  }

  // take takes a completion's message or a chunk's delta, and gives the text of
  // each choice.
  take(document, member) {
    const { usage } = document, said = [];
    this.named(document.model);
    if (usage) this.usage(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens);
    for (const one of document.choices) {
      const choice = this.choice(one.index), text = one[member].content ?? "";
      choice.text += text;
      choice.finish = one.finish_reason ?? choice.finish;
      said.push(`${one.index}:${text}`);
      for (const call of one[member].tool_calls ?? []) this.tool(one.index, call.function.name, call.function.arguments ?? "");
    }
    return said.join(" ");
  }
}

// failure is an exception as the user of the application gets to see it.
function failure(err) {
  const said = [];
  for (let e = err; e; e = e.cause) said.push(String(e));
  return { error: { status: err.status ?? err.statusCode ?? 0, message: said.join("\n") } };
}

// run has one chat a scenario: chat(request, seen).
async function run(chat) {
  const answers = [];
  for (const { request, stop_after: stopAfter } of JSON.parse(readFileSync(0, "utf8"))) {
    const seen = new Seen(stopAfter);
    try {
      await chat(request, seen);
      answers.push(seen.answer);
    } catch (err) {
      answers.push(failure(err));
    }
  }
  process.stdout.write(JSON.stringify(answers), () => process.exit()); // kept connections would hold it back
}

// takeStream takes an event stream of bytes to its end, as plain HTTP clients
// get it, or until the application has had enough.
async function takeStream(stream, seen) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice("data:".length).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      if (seen.chunk(event)) return;
    }
  }
}

const url = (path) => process.env.APP_BASE_URL + path;
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };

module.exports = { run, takeStream, url, headers };
