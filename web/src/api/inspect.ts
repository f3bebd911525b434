// Questions of where a model looked. Each is asked of one conversation and its answer.

import { post } from './http';
import type {
  GridHead,
  KnockOut,
  Lens,
  Overview,
  Reader,
  Span,
  StripToken,
  Subject,
  Tiles,
} from './types';

const AT = '/v1/inspect';

export function overview(subject: Subject, signal?: AbortSignal): Promise<Overview> {
  return post(`${AT}/overview`, subject, signal);
}

export async function strip(subject: Subject, signal?: AbortSignal): Promise<StripToken[]> {
  const found = await post<{ tokens: StripToken[] }>(`${AT}/strip`, subject, signal);
  return found.tokens;
}

export interface TilesWanted {
  /** Tokens of the answer, counted from its first. */
  tokens: Span;
  by: Lens;
  block: number;
  keys?: Span;
  heads?: [number, number][];
}

export function tiles(subject: Subject, wanted: TilesWanted, signal?: AbortSignal): Promise<Tiles> {
  return post(`${AT}/tiles`, { ...subject, ...wanted }, signal);
}

export async function grid(
  subject: Subject,
  wanted: { tokens: Span; span: Span },
  signal?: AbortSignal,
): Promise<GridHead[]> {
  const found = await post<{ heads: GridHead[] }>(`${AT}/grid`, { ...subject, ...wanted }, signal);
  return found.heads;
}

export async function readers(
  subject: Subject,
  span: Span,
  signal?: AbortSignal,
): Promise<Reader[]> {
  const found = await post<{ tokens: Reader[] }>(`${AT}/readers`, { ...subject, span }, signal);
  return found.tokens;
}

export function knockOut(
  subject: Subject,
  wanted: { tokens: Span; span: Span },
  signal?: AbortSignal,
): Promise<KnockOut> {
  return post(`${AT}/knock_out`, { ...subject, ...wanted }, signal);
}

/** One of look, who, ground, drown, inject and contradict, as its command's `--json` answers. */
export function ask<T>(question: string, body: object, signal?: AbortSignal): Promise<T> {
  return post(`${AT}/${question}`, body, signal);
}
