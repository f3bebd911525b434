// What was asked of one answer so far: it is there again when somebody comes back to it.

import type { Lens } from '../../api/types';
import type { View } from '../view.svelte';
import { Asking, type Name } from './asking.svelte';
import { suggest } from './prefill';
import type { Contradicted, Drowned, Grounded, Injection, Looked, WhoFound } from './replies';

export type LookUnit = 'paragraph' | 'sentence' | 'word' | 'token';

export interface LookBody {
  model: string;
  messages: object[];
  answer: string;
  context?: string;
  each?: string;
  tokens?: [number, number];
  source: LookUnit;
  by: Lens;
  top: number;
}

export interface WhoBody {
  model: string;
  text: string;
  word: string;
  nth?: number;
  among?: string[];
}

/** Without an answer the model writes one. */
export interface DocumentBody {
  model: string;
  document: string;
  question: string;
  answer?: string;
}

export interface DrownBody extends DocumentBody {
  span?: string;
}

export interface InjectBody {
  model: string;
  instruction: string;
  data: string;
}

export interface ContradictBody {
  model: string;
  text: string;
  pairs: number;
}

export class Kept {
  look = new Asking<LookBody, Looked>('look');
  who = new Asking<WhoBody, WhoFound>('who');
  ground = new Asking<DocumentBody, Grounded>('ground');
  drown = new Asking<DrownBody, Drowned>('drown');
  inject = new Asking<InjectBody, Injection>('inject');
  contradict = new Asking<ContradictBody, Contradicted>('contradict');

  open = $state<Name | null>(null);
  /** Those that were opened: their fields stay filled. */
  seen = $state<Name[]>([]);

  document = $state('');
  question = $state('');
  answer = $state('');
  instruction = $state('');
  word = $state('');
  /** Which of the word's places; empty: the last. */
  nth = $state<number | null>(null);
  /** Names that it may stand for, between commas. */
  among = $state('');
  span = $state('');
  nPairs = $state<number | null>(10);
  part = $state<'chosen' | 'answer' | 'sentence'>('chosen');
  source = $state<LookUnit>('sentence');
  within = $state<'last' | 'all'>('last');

  constructor(view: View) {
    const { document, question, answer, instruction, word } = suggest(view.subject);
    [this.document, this.question, this.answer] = [document, question, answer];
    [this.instruction, this.word] = [instruction, word];
  }

  toggle(name: Name): void {
    this.open = this.open === name ? null : name;
    if (!this.seen.includes(name)) this.seen.push(name);
  }

  stop(): void {
    const { look, who, ground, drown, inject, contradict } = this;
    for (const asking of [look, who, ground, drown, inject, contradict]) asking.stop();
  }
}

const ALL = new WeakMap<View, Kept>();

export function keptOf(view: View): Kept {
  let kept = ALL.get(view);
  if (kept === undefined) {
    kept = new Kept(view);
    ALL.set(view, kept);
  }
  return kept;
}

/** `null`: something is missing. */
export function documentBody(model: string, kept: Kept): DocumentBody | null {
  const { document, question } = kept;
  if (document.trim() === '' || question.trim() === '') return null;
  const answer = kept.answer.trim();
  return { model, document, question, ...(answer === '' ? {} : { answer }) };
}
