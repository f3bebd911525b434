// A view as the part of an address behind `#`: whoever opens it in this browser sees it again.

import type { Lens, Span } from '../api/types';
import { N_PINNED_MAX } from '../attention/colours';
import { UNITS, type Unit } from '../attention/units';

export interface View {
  conversation: string;
  message: string;
  panel?: 'attention';
  /** Tokens of the answer. */
  tokens?: Span;
  lens?: Lens;
  unit?: Unit;
  /** Tokens of the prompt. */
  span?: Span;
  /** Layers and heads. */
  pinned?: [number, number][];
}

const LENSES: Lens[] = ['weight', 'value_norm', 'logit'];

export function toHash(view: View): string {
  const parts = new URLSearchParams({ c: view.conversation, m: view.message });
  if (view.panel !== undefined) parts.set('v', view.panel);
  if (view.tokens !== undefined) parts.set('t', view.tokens.join('-'));
  if (view.lens !== undefined) parts.set('l', view.lens);
  if (view.unit !== undefined) parts.set('u', view.unit);
  if (view.span !== undefined) parts.set('s', view.span.join('-'));
  if (view.pinned?.length) parts.set('p', view.pinned.map((head) => head.join('.')).join('_'));
  return `#${parts.toString()}`;
}

/** `null`: it names no message. What else is bad in it is left out. */
export function fromHash(hash: string): View | null {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const [conversation, message] = [parts.get('c'), parts.get('m')];
  if (!conversation || !message) return null;
  const view: View = { conversation, message };
  if (parts.get('v') === 'attention') view.panel = 'attention';
  const [tokens, span] = [pair(parts.get('t'), '-'), pair(parts.get('s'), '-')];
  if (tokens !== null && tokens[0] < tokens[1]) view.tokens = tokens;
  if (span !== null && span[0] < span[1]) view.span = span;
  const lens = LENSES.find((known) => known === parts.get('l'));
  if (lens !== undefined) view.lens = lens;
  const unit = UNITS.find((known) => known === parts.get('u'));
  if (unit !== undefined) view.unit = unit;
  const pinned = (parts.get('p') ?? '').split('_').map((head) => pair(head, '.'));
  const heads = pinned.filter((head) => head !== null).slice(0, N_PINNED_MAX);
  if (heads.length > 0) view.pinned = heads;
  return view;
}

function pair(text: string | null, between: '-' | '.'): [number, number] | null {
  const [first, second, ...rest] = (text ?? '').split(between);
  if (rest.length > 0 || !isPlace(first) || !isPlace(second)) return null;
  return [Number(first), Number(second)];
}

function isPlace(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,9}$/.test(text);
}
