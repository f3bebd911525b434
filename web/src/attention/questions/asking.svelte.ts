// One question to the server: asked, waited for, stopped; and what was answered.

import { isStop, wordsOf } from '../../api/http';
import { ask } from '../../api/inspect';

export type Name = 'look' | 'who' | 'ground' | 'drown' | 'inject' | 'contradict';

export class Asking<Body extends object, Reply> {
  reply = $state.raw<Reply | null>(null);
  /** What `reply` is of. */
  asked = $state.raw<Body | null>(null);
  problem = $state('');
  isWaiting = $state(false);
  /** Waited so far. */
  seconds = $state(0);
  #stopping = new AbortController();

  constructor(readonly name: Name) {}

  async ask(body: Body): Promise<void> {
    this.stop();
    const stopping = new AbortController();
    this.#stopping = stopping;
    [this.reply, this.asked, this.problem, this.seconds] = [null, null, '', 0];
    this.isWaiting = true;
    const since = performance.now();
    const ticking = setInterval(() => {
      this.seconds = Math.round((performance.now() - since) / 1000);
    }, 1000);
    try {
      const reply = await ask<Reply>(this.name, body, stopping.signal);
      if (!stopping.signal.aborted) [this.reply, this.asked] = [reply, body];
    } catch (error) {
      if (!stopping.signal.aborted && !isStop(error)) this.problem = wordsOf(error);
    } finally {
      clearInterval(ticking);
      // Another may have been asked since.
      if (this.#stopping === stopping) this.isWaiting = false;
    }
  }

  stop(): void {
    this.#stopping.abort();
    this.isWaiting = false;
  }
}
