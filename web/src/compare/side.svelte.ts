// One of two answers to the same prompt.

import { isStop, wordsOf } from '../api/http';
import * as inspect from '../api/inspect';
import type { WireMessage } from '../api/types';
import { emptyDraft, write, type Draft } from '../chat/stream';
import { sums } from '../attention/store';
import type { Reading } from './diverge';

export class Side {
  model = $state<string | null>(null);
  kvPolicy = $state('');
  draft = $state.raw<Draft>(emptyDraft());
  isRunning = $state(false);
  problem = $state('');
  #controller = new AbortController();

  async run(model: string, messages: WireMessage[], nMax: number): Promise<void> {
    this.stop();
    this.#controller = new AbortController();
    const draft = emptyDraft();
    [this.draft, this.problem, this.isRunning] = [draft, '', true];
    const fields = {
      model,
      messages,
      // The same each time: what differs is the model or its cache.
      temperature: 0,
      max_tokens: nMax,
      ...(this.kvPolicy.trim() === '' ? {} : { kv_policy: this.kvPolicy.trim() }),
    };
    try {
      await write(fields, draft, {
        signal: this.#controller.signal,
        grew: () => (this.draft = { ...draft }),
      });
    } catch (error) {
      if (!isStop(error)) this.problem = wordsOf(error);
    } finally {
      this.isRunning = false;
    }
  }

  stop(): void {
    this.#controller.abort();
  }

  /** What the sentences of the prompt were worth to one token of the answer. */
  async read(model: string, messages: WireMessage[], token: number): Promise<Reading> {
    const subject = { model, messages, answer: this.draft.text };
    const found = await inspect.overview(subject);
    const at = Math.min(token, found.answer.length - 1);
    const tokens: [number, number] = [at, at + 1];
    const wanted = { tokens, by: 'weight' as const, block: 1 };
    const { values } = await inspect.tiles(subject, { ...wanted, keys: [0, found.n_prompt] });
    const { sentences, pieces } = found;
    return {
      sentences,
      texts: sentences.map((span) => pieces.slice(...span).join('')),
      values: [...sums(values, sentences)],
    };
  }
}
