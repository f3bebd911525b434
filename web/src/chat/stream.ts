// The chunks of a streamed answer, and what each of them adds to it.

import { ApiError, request } from '../api/http';
import { events } from '../api/sse';
import type { ContextUse, ToolCall, Usage } from '../api/types';
import type { Timings, TokenInfo } from './tree';

interface Place {
  token: string;
  bytes: number[] | null;
  logprob: number;
  top_logprobs: { token: string; logprob: number }[];
}

interface Chunk {
  error?: { message?: string };
  choices?: {
    delta?: {
      content?: string | null;
      reasoning_content?: string | null;
      tool_calls?: (Partial<ToolCall> & { index?: number })[];
    };
    logprobs?: { content?: Place[] | null } | null;
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  context?: ContextUse;
  timings?: Timings;
  prompt_progress?: Progress;
}

/** How far the prompt is read. */
export interface Progress {
  total: number;
  processed: number;
  time_ms: number;
}

/** What there is of an answer. */
export interface Draft {
  text: string;
  reasoning: string;
  calls: ToolCall[];
  tokens: TokenInfo[];
  finish: string | null;
  usage: Usage | null;
  context: ContextUse | null;
  timings: Timings | null;
  progress: Progress | null;
}

export function emptyDraft(text = '', tokens: TokenInfo[] = []): Draft {
  return {
    text,
    reasoning: '',
    calls: [],
    tokens: [...tokens],
    finish: null,
    usage: null,
    context: null,
    timings: null,
    progress: null,
  };
}

/** Puts an answer together. */
export class Reader {
  /** A character may be split over tokens: it belongs to the one that completes it. */
  #decoder = new TextDecoder();

  constructor(readonly draft: Draft) {}

  /** Throws what the server says of an answer that ended in an error. */
  take(data: string): void {
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new Error(chunk.error.message ?? 'the answer ended in an error');
    const { draft } = this;
    if (chunk.prompt_progress) draft.progress = chunk.prompt_progress;
    if (chunk.usage) draft.usage = chunk.usage;
    if (chunk.context) draft.context = chunk.context;
    if (chunk.timings) draft.timings = chunk.timings;
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    const { content, reasoning_content: reasoning, tool_calls: calls } = choice.delta ?? {};
    draft.reasoning += reasoning ?? '';
    for (const call of calls ?? []) this.#call(call);
    for (const place of choice.logprobs?.content ?? []) this.#token(place, content ?? null);
    draft.text += content ?? '';
    if (choice.finish_reason) draft.finish = choice.finish_reason;
  }

  #token(place: Place, content: string | null): void {
    const { draft } = this;
    // Those of reasoning, and the mark that ends it, are no part of the answer.
    if (content === null || (content === '' && draft.text === '' && draft.reasoning !== '')) return;
    const bytes = place.bytes === null ? null : new Uint8Array(place.bytes);
    const piece = bytes === null ? place.token : this.#decoder.decode(bytes, { stream: true });
    const top = place.top_logprobs.map(({ token, logprob }): [string, number] => [token, logprob]);
    draft.tokens.push({ piece, logprob: place.logprob, top });
  }

  #call(part: Partial<ToolCall> & { index?: number }): void {
    const { calls } = this.draft;
    const index = part.index ?? calls.length;
    const known = calls[index];
    if (known === undefined) {
      calls[index] = {
        id: part.id ?? '',
        type: 'function',
        function: { name: part.function?.name ?? '', arguments: part.function?.arguments ?? '' },
      };
    } else {
      known.function.arguments += part.function?.arguments ?? '';
    }
  }
}

/** Alternatives that are kept of each token. */
const N_TOP = 8;

/**
 * Lets a model write: `fields` say to what and how. The draft grows, and `grew` is told each time.
 * Throws what becomes of the request, and that a stream broke off.
 */
export async function write(
  fields: Record<string, unknown>,
  draft: Draft,
  { signal, grew }: { signal: AbortSignal; grew: () => void },
): Promise<void> {
  const body = {
    stream: true,
    stream_options: { include_usage: true },
    logprobs: true,
    top_logprobs: N_TOP,
    ...fields,
  };
  const response = await request('POST', '/v1/chat/completions', body, signal);
  const reader = new Reader(draft);
  for await (const data of events(response)) {
    reader.take(data);
    grew();
  }
  if (draft.finish === null) throw new ApiError('lost', 'The server went away mid-answer.');
}

/** Seconds until the prompt is read, as fast as so far; `null`: nobody can say yet. */
export function secondsLeft({ total, processed, time_ms }: Progress): number | null {
  if (processed <= 0 || time_ms <= 0) return null;
  return ((time_ms / processed) * Math.max(total - processed, 0)) / 1000;
}
