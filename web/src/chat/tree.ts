// A conversation as a tree: editing a message or asking again makes a branch, and nothing is lost.

import type { ContextUse, ToolCall, Usage } from '../api/types';
import type { Attachment } from '../files/readFile';
import { DEFAULTS, type Settings } from './settings';

/** One token of an answer, with what could have stood there. */
export interface TokenInfo {
  piece: string;
  logprob: number;
  top: [string, number][];
}

export interface Message {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant' | 'tool';
  text: string;
  created: number;
  attachments?: Attachment[];
  /** Of answers. */
  model?: string;
  reasoning?: string;
  calls?: ToolCall[];
  tokens?: TokenInfo[];
  usage?: Usage;
  context?: ContextUse;
  timings?: Timings;
  finish?: string;
  /** Why it is not whole. */
  error?: string;
  /** Of results of tools. */
  callId?: string;
}

export interface Timings {
  prompt_n: number;
  prompt_ms: number;
  prompt_per_second: number | null;
  predicted_n: number;
  predicted_ms: number;
  predicted_per_second: number | null;
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  model: string | null;
  system: string;
  settings: Settings;
  messages: Record<string, Message>;
  /** The last message of the branch that is shown. */
  leaf: string | null;
}

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

export function newConversation(now: number): Conversation {
  return {
    id: newId(),
    title: '',
    created: now,
    updated: now,
    model: null,
    system: '',
    settings: { ...DEFAULTS },
    messages: {},
    leaf: null,
  };
}

/** From the first message to `leaf`. */
export function branch(conversation: Conversation, leaf = conversation.leaf): Message[] {
  const found: Message[] = [];
  const seen = new Set<string>();
  for (let id = leaf; id !== null && !seen.has(id);) {
    const message: Message | undefined = conversation.messages[id];
    if (message === undefined) break;
    seen.add(id);
    found.push(message);
    id = message.parent;
  }
  return found.reverse();
}

/** Messages at the same place, the oldest first. */
export function siblings(conversation: Conversation, message: Message): Message[] {
  return childrenOf(conversation, message.parent);
}

export function childrenOf(conversation: Conversation, parent: string | null): Message[] {
  const all = Object.values(conversation.messages);
  return all
    .filter((message) => message.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The end of the newest branch that goes through a message. */
export function newestLeaf(conversation: Conversation, id: string): string {
  const seen = new Set<string>();
  let leaf = id;
  for (;;) {
    seen.add(leaf);
    const next = childrenOf(conversation, leaf).at(-1);
    if (next === undefined || seen.has(next.id)) return leaf;
    leaf = next.id;
  }
}

/** Puts a message behind its parent, and shows it. */
export function append(conversation: Conversation, message: Message): void {
  conversation.messages[message.id] = message;
  conversation.leaf = message.id;
  conversation.updated = message.created;
}

/** Takes a message away with all that came after it; what stands beside it is shown instead. */
export function remove(conversation: Conversation, id: string): void {
  const message = conversation.messages[id];
  if (message === undefined) return;
  const gone = [id];
  for (const next of gone) gone.push(...childrenOf(conversation, next).map((child) => child.id));
  for (const each of gone) delete conversation.messages[each];
  if (conversation.leaf !== null && gone.includes(conversation.leaf)) {
    const beside = childrenOf(conversation, message.parent).at(-1);
    conversation.leaf = beside ? newestLeaf(conversation, beside.id) : message.parent;
  }
}

/** The beginning of what was asked first. */
export function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
