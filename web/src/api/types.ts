// What the server says, in the form in which it comes.

export interface ServedModel {
  id: string;
  status: 'loaded' | 'loading' | 'unloaded';
  /** In tokens; `null`: not known before it is loaded. */
  context_length: number | null;
  /** Whether attention can be seen; `null`: not known before it is loaded. */
  attention?: boolean | null;
}

export interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** A message in OpenAI's form. */
export interface WireMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string | null;
  reasoning_content?: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
}

/** How much of the conversation the model had in its cache, and what it kept. In tokens. */
export interface ContextUse {
  kept: number;
  dropped: number;
  approximate: boolean;
  reused: number;
  recomputed: number;
  first_divergent: number;
  why: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** What a message will cost. */
export interface Plan {
  n_ctx: number;
  prompt_tokens: number;
  cached_tokens: number;
  compute_tokens: number;
  answer_tokens: number;
  fits: boolean;
  kv_bytes_per_token: number;
  kv_bytes: number;
  kv_bytes_max: number;
  weights_bytes: number;
  prefill_s: number | null;
  decode_tps: number | null;
  seconds: number | null;
}

export type Lens = 'weight' | 'value_norm' | 'logit';

/** From the first to before the last, of tokens. */
export type Span = [number, number];

/** A conversation and its answer, which is what every question of attention is about. */
export interface Subject {
  model: string;
  messages: WireMessage[];
  answer: string;
}

export interface Overview {
  n_prompt: number;
  n_layers: number;
  n_heads: number;
  lenses: Lens[];
  default_lens: Lens;
  /** The text of each token of prompt and answer: together they are the whole text. */
  pieces: string[];
  /** Of the prompt. */
  sentences: Span[];
  messages: { role: string; tokens: Span }[];
  answer: AnswerToken[];
}

export interface AnswerToken {
  logprob: number;
  top: [string, number][];
}

/** What a token of the answer rests on, in the mean over the heads of the row that wrote it. */
export interface StripToken {
  /** In nats, without the sink. */
  entropy: number;
  /** The weight of the first key. */
  sink: number;
  /** The prompt's share of the weight, the first key aside. */
  context: number;
}

export interface Tiles {
  by: Lens;
  block: number;
  keys: Span;
  n_rows: number;
  sink: number;
  virtual_sink: number;
  /** One a block. */
  values: number[];
  heads: { layer: number; head: number; sink: number; values: number[] }[];
}

export interface GridHead {
  layer: number;
  head: number;
  sink: number;
  entropy: number;
  /** Of the span. */
  weight: number;
  log_lift: number;
  labels: string[];
}

export interface Reader {
  weight: number;
  log_lift: number;
}

export interface KnockOut {
  logprob: number;
  logprob_without: number;
  nats_lost: number;
  tokens: { piece: string; logprob: number; without: number }[];
  caveat: string;
}
