// Conversations as a file: out of this browser, and into it.

import { DEFAULTS } from './settings';
import { newId, type Conversation, type Message } from './tree';

const FORMAT = 'lookback-conversations';
const VERSION = 1;

export function toFile(conversations: Conversation[]): string {
  return JSON.stringify({ format: FORMAT, version: VERSION, conversations }, null, 1);
}

/** What a file holds, each under a new name where the old one is taken; throws a plain line. */
export function fromFile(text: string, isTaken: (id: string) => boolean): Conversation[] {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error('This file is no JSON: expected one that this page has exported.');
  }
  const file = found as { format?: unknown; version?: unknown; conversations?: unknown };
  if (file?.format !== FORMAT || !Array.isArray(file.conversations)) {
    throw new Error('This file holds no conversations: expected one that this page has exported.');
  }
  if (file.version !== VERSION) {
    throw new Error(`This file has version ${String(file.version)}, expected ${VERSION}.`);
  }
  return file.conversations.map((each, nth) => {
    const conversation = read(each);
    if (conversation === null) throw new Error(`Conversation ${nth + 1} of the file is damaged.`);
    return isTaken(conversation.id) ? { ...conversation, id: newId() } : conversation;
  });
}

function read(value: unknown): Conversation | null {
  const found = value as Partial<Conversation> | null;
  if (typeof found !== 'object' || found === null) return null;
  if (typeof found.id !== 'string' || typeof found.messages !== 'object') return null;
  const messages: Record<string, Message> = {};
  for (const [id, message] of Object.entries(found.messages ?? {})) {
    if (!isMessage(message) || message.id !== id) return null;
    messages[id] = message;
  }
  const leaf = typeof found.leaf === 'string' && found.leaf in messages ? found.leaf : null;
  return {
    id: found.id,
    title: text(found.title),
    created: number(found.created),
    updated: number(found.updated),
    model: typeof found.model === 'string' ? found.model : null,
    system: text(found.system),
    settings: { ...DEFAULTS, ...(typeof found.settings === 'object' ? found.settings : {}) },
    messages,
    leaf,
  };
}

function isMessage(value: unknown): value is Message {
  const found = value as Partial<Message> | null;
  return (
    typeof found === 'object' &&
    found !== null &&
    typeof found.id === 'string' &&
    (found.parent === null || typeof found.parent === 'string') &&
    (found.role === 'user' || found.role === 'assistant' || found.role === 'tool') &&
    typeof found.text === 'string' &&
    typeof found.created === 'number'
  );
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
