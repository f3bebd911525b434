// Asks a server what programs in JavaScript ask it, with OpenAI's own client.
//
//     node check.mjs http://127.0.0.1:8080
//
// The server has one real model, smollm2-135m or another that talks, and nobody else asks it.

import assert from "node:assert/strict";

import OpenAI from "openai";

const QUESTION = "What is the capital of France? Answer in one short sentence.";
const MESSAGES = [{ role: "user", content: QUESTION }];
// Far more than anybody reads before hanging up.
const N_LONG = 4000;
const HANG_UP_MS = 200;
const PATIENCE_MS = 10_000;

async function main() {
  const address = process.argv[2];
  const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 });
  const model = await models(client);
  const checks = [chat, chatStream, choices, logprobs, texts, textStream, errors, hangUp];
  for (const check of checks) {
    await check(client, model, address);
    console.log(`openai for node: ${check.name}`);
  }
}

/** The first model that is served. */
async function models(client) {
  const ids = [];
  for await (const { id } of client.models.list()) ids.push(id);
  const [model] = ids;
  assert.equal((await client.models.retrieve(model)).id, model);
  return model;
}

async function chat(client, model) {
  const asked = { model, messages: MESSAGES, temperature: 0, max_completion_tokens: 30 };
  const answer = await client.chat.completions.create(asked);
  const [choice] = answer.choices;
  assert.equal(choice.finish_reason, "stop");
  assert.match(choice.message.content, /Paris/);
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
  assert.ok(completion_tokens > 0);
}

async function chatStream(client, model) {
  const asked = { model, messages: MESSAGES, temperature: 0.8, seed: 7, max_tokens: 24 };
  const whole = await client.chat.completions.create(asked);
  const stream_options = { include_usage: true };
  const chunks = [];
  const stream = await client.chat.completions.create({ ...asked, stream: true, stream_options });
  for await (const chunk of stream) chunks.push(chunk);
  const last = chunks.pop();
  const parts = chunks.map((chunk) => chunk.choices[0].delta.content ?? "");
  assert.equal(parts.join(""), whole.choices[0].message.content);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.equal(chunks.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
  // Greedy: an answer that runs into max_tokens is an error to this part of the client.
  const gathered = client.chat.completions.stream({ ...asked, temperature: 0 });
  assert.match(await gathered.finalContent(), /Paris/);
}

async function choices(client, model) {
  const asked = { model, messages: MESSAGES, n: 3, temperature: 1, seed: 3, max_tokens: 12 };
  const whole = await client.chat.completions.create(asked);
  assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1, 2]);
  const contents = whole.choices.map((choice) => choice.message.content);
  assert.ok(new Set(contents).size > 1, "three answers with seeds of their own are all alike");
  const parts = ["", "", ""];
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    for (const { index, delta } of chunk.choices) parts[index] += delta.content ?? "";
  }
  assert.deepEqual(parts, contents);
}

async function logprobs(client, model) {
  const asked = { model, messages: MESSAGES, temperature: 0, max_tokens: 8, logprobs: true };
  const answer = await client.chat.completions.create({ ...asked, top_logprobs: 5 });
  const [choice] = answer.choices;
  const places = choice.logprobs.content;
  assert.equal(places.map((place) => place.token).join(""), choice.message.content);
  for (const { token, logprob, bytes, top_logprobs } of places) {
    assert.ok(logprob <= 0);
    assert.equal(top_logprobs.length, 5);
    assert.equal(top_logprobs[0].token, token);
    assert.equal(Buffer.from(bytes).toString(), token);
  }
}

async function texts(client, model) {
  const prompt = ["The capital of France is", "Two and two make"];
  const asked = { model, temperature: 0, max_tokens: 6 };
  const together = await client.completions.create({ ...asked, prompt });
  assert.match(together.choices[0].text, /Paris/);
  for (const [i, { index, text }] of together.choices.entries()) {
    assert.equal(index, i);
    const alone = await client.completions.create({ ...asked, prompt: prompt[i] });
    assert.equal(text, alone.choices[0].text);
  }
}

async function textStream(client, model) {
  const asked = { model, prompt: "The capital of France is", temperature: 0, max_tokens: 6 };
  const whole = await client.completions.create(asked);
  let text = "";
  for await (const chunk of await client.completions.create({ ...asked, stream: true })) {
    text += chunk.choices[0].text;
  }
  assert.equal(text, whole.choices[0].text);
}

async function errors(client, model) {
  const cases = [
    [OpenAI.BadRequestError, "temperature", { temperature: -1 }],
    [OpenAI.BadRequestError, "messages", { messages: [] }],
    [OpenAI.BadRequestError, "nonsense", { nonsense: 1 }],
    [OpenAI.BadRequestError, "temperature", { temperature: -1, stream: true }],
    [OpenAI.NotFoundError, "model", { model: "gpt-4o" }],
  ];
  for (const [kind, param, change] of cases) {
    const asked = client.chat.completions.create({ model, messages: MESSAGES, ...change });
    await assert.rejects(asked, (error) => {
      assert.ok(error instanceof kind, `${error}`);
      assert.equal(error.param, param);
      assert.ok(error.error.message);
      return true;
    });
  }
}

/** A stream that is aborted, and one that is left, end for both sides. */
async function hangUp(client, model, address) {
  const asked = { model, messages: MESSAGES, max_tokens: N_LONG, ignore_eos: true, stream: true };
  const aborted = await client.chat.completions.create(asked);
  let n_chunks = 0;
  for await (const _ of aborted) {
    n_chunks += 1;
    if (n_chunks === 3) aborted.controller.abort();
  }
  assert.ok(n_chunks < N_LONG / 10, `${n_chunks} parts of a stream that was aborted at the third`);
  for await (const _ of await client.chat.completions.create(asked)) break;
  const signal = AbortSignal.timeout(HANG_UP_MS);
  const whole = { ...asked, stream: false };
  const timed = client.chat.completions.create(whole, { signal });
  await assert.rejects(timed, OpenAI.APIUserAbortError);
  const end = performance.now() + PATIENCE_MS;
  while ((await (await fetch(`${address}/health`)).json()).in_flight > 0) {
    assert.ok(performance.now() < end, "answers that nobody reads go on");
  }
  await chat(client, model);
}

await main();
