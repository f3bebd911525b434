// The conversations of this browser, the one that is shown, and answers on their way.

import { isStop, wordsOf } from '../api/http';
import type { Attachment } from '../files/readFile';
import * as db from './db';
import { requestFields } from './settings';
import { emptyDraft, write, type Draft, type Progress } from './stream';
import { toWire } from './wire';
import {
  append,
  branch,
  newConversation,
  newestLeaf,
  newId,
  remove,
  titleOf,
  type Conversation,
  type Message,
  type TokenInfo,
} from './tree';

/** Between two times that a growing answer is kept. */
const SAVE_MS = 2000;

interface Running {
  controller: AbortController;
  progress: Progress | null;
}

export class Chats {
  list = $state<db.Listed[]>([]);
  current = $state<Conversation>(newConversation(Date.now()));
  /** Answers on their way, by the ids of their messages. */
  running = $state<Record<string, Running>>({});
  /** Conversations with an answer on its way, which go on when others are shown. */
  #live = new Map<string, Conversation>();
  /** What keeps conversations from being kept. */
  problem = $state('');

  shown = $derived(branch(this.current));
  busy = $derived(this.shown.some((message) => message.id in this.running));

  async open(id: string): Promise<boolean> {
    if (this.current.id === id) return true;
    const found = this.#live.get(id) ?? (await this.#try(() => db.load(id)));
    if (found !== undefined) this.current = found;
    return found !== undefined;
  }

  start(): void {
    const { model, settings, system } = this.current;
    this.current = { ...newConversation(Date.now()), model, system, settings: { ...settings } };
  }

  async refresh(): Promise<void> {
    this.list = (await this.#try(() => db.list())) ?? [];
  }

  async forget(id: string): Promise<void> {
    await this.#try(() => db.forget(id));
    if (this.current.id === id) this.start();
    await this.refresh();
  }

  async take(conversations: Conversation[]): Promise<void> {
    for (const each of conversations) await this.#try(() => db.save(each));
    await this.refresh();
    const [first] = conversations;
    if (first !== undefined) this.current = first;
  }

  /** Keeps the conversation that is shown. */
  async save(conversation = this.current): Promise<void> {
    if (Object.keys(conversation.messages).length === 0) return;
    await this.#try(() => db.save($state.snapshot(conversation) as Conversation));
    if (this.problem !== '') return;
    const { id, title, updated } = conversation;
    const others = this.list.filter((other) => other.id !== id);
    this.list = [...others, { id, title, updated }].sort((a, b) => b.updated - a.updated);
  }

  /** Says something behind what is shown, or, as `instead`, beside a message. */
  async say(model: string, text: string, attachments: Attachment[], instead?: Message) {
    const parent = instead === undefined ? this.current.leaf : instead.parent;
    const message: Message = { ...this.#message('user', parent), text };
    if (attachments.length > 0) message.attachments = attachments;
    append(this.current, message);
    if (this.current.title === '') {
      this.current.title = titleOf(text || (attachments[0]?.name ?? ''));
    }
    await this.answer(model, message.id);
  }

  /** Gives the model what a tool has found. */
  async giveResult(model: string, call: { id: string }, text: string) {
    const message: Message = { ...this.#message('tool', this.current.leaf), text, callId: call.id };
    append(this.current, message);
    await this.answer(model, message.id);
  }

  /** Answers a message, beside answers that there are already. */
  async answer(model: string, parent: string): Promise<void> {
    const message = this.#message('assistant', parent);
    append(this.current, { ...message, model });
    await this.#run(this.current, message.id, emptyDraft());
  }

  /** Goes on from a place in an answer: from its end, or, beside it, with another token there. */
  async goOn(message: Message, other?: { at: number; piece: string }): Promise<void> {
    const tokens = $state.snapshot(message.tokens ?? []) as TokenInfo[];
    if (other === undefined) {
      const draft = { ...emptyDraft(message.text, tokens), reasoning: message.reasoning ?? '' };
      await this.#run(this.current, message.id, draft);
      return;
    }
    const kept = tokens.slice(0, other.at);
    const old = tokens[other.at];
    const logprob = old?.top.find(([piece]) => piece === other.piece)?.[1] ?? old?.logprob ?? 0;
    kept.push({ piece: other.piece, logprob, top: old?.top ?? [] });
    const text = kept.map((token) => token.piece).join('');
    const beside: Message = { ...this.#message('assistant', message.parent), text };
    if (message.model !== undefined) beside.model = message.model;
    append(this.current, beside);
    await this.#run(this.current, beside.id, emptyDraft(text, kept));
  }

  stop(id: string): void {
    this.running[id]?.controller.abort();
  }

  show(message: Message): void {
    this.current.leaf = newestLeaf(this.current, message.id);
    void this.save();
  }

  async remove(message: Message): Promise<void> {
    this.stop(message.id);
    remove(this.current, message.id);
    if (this.current.leaf === null && Object.keys(this.current.messages).length === 0) {
      await this.forget(this.current.id);
    } else {
      await this.save();
    }
  }

  #message(role: Message['role'], parent: string | null): Message {
    return { id: newId(), parent, role, text: '', created: Date.now() };
  }

  /** Lets the model write a message, from what the draft holds of it on. */
  async #run(conversation: Conversation, id: string, draft: Draft): Promise<void> {
    const message = conversation.messages[id];
    if (message === undefined) return;
    const controller = new AbortController();
    this.running[id] = { controller, progress: null };
    this.#live.set(conversation.id, conversation);
    message.error = undefined;
    message.finish = undefined;
    const shown = new Frames(() => this.#show(message, draft));
    let saved = Date.now();
    try {
      await write(this.#request(conversation, message, draft), draft, {
        signal: controller.signal,
        grew: () => {
          shown.soon();
          if (Date.now() - saved < SAVE_MS) return;
          saved = Date.now();
          void this.save(conversation);
        },
      });
    } catch (error) {
      message.finish = isStop(error) ? 'stopped' : 'error';
      if (!isStop(error)) message.error = wordsOf(error);
    } finally {
      shown.now();
      delete this.running[id];
      const isLive = Object.keys(conversation.messages).some((other) => other in this.running);
      if (!isLive) this.#live.delete(conversation.id);
      await this.save(conversation);
    }
  }

  #request(conversation: Conversation, message: Message, draft: Draft): Record<string, unknown> {
    const messages = toWire(conversation.system, branch(conversation, message.parent));
    const { model } = message;
    const fields = {
      model,
      messages,
      return_progress: true,
      ...requestFields(conversation.settings),
    };
    if (draft.text === '') return fields;
    messages.push({ role: 'assistant', content: draft.text });
    return { ...fields, continue_final_message: true, add_generation_prompt: false };
  }

  #show(message: Message, draft: Draft): void {
    message.text = draft.text;
    message.reasoning = draft.reasoning || undefined;
    message.calls = draft.calls.length > 0 ? [...draft.calls] : undefined;
    message.tokens = draft.tokens.slice();
    message.usage = draft.usage ?? undefined;
    message.context = draft.context ?? undefined;
    message.timings = draft.timings ?? undefined;
    if (draft.finish !== null) message.finish = draft.finish;
    const running = this.running[message.id];
    if (running !== undefined) running.progress = draft.text === '' ? draft.progress : null;
  }

  async #try<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const found = await work();
      this.problem = '';
      return found;
    } catch (error) {
      this.problem = `This browser keeps no conversations: ${wordsOf(error)}`;
      return undefined;
    }
  }
}

/** Does something at most once a frame: what is typed meanwhile is not kept waiting. */
class Frames {
  #waiting = 0;

  constructor(readonly work: () => void) {}

  soon(): void {
    if (this.#waiting !== 0) return;
    // Nothing is drawn in a hidden tab, where frames do not come.
    if (document.hidden) this.work();
    else this.#waiting = requestAnimationFrame(() => this.now());
  }

  now(): void {
    cancelAnimationFrame(this.#waiting);
    this.#waiting = 0;
    this.work();
  }
}
