// Conversations, kept in this browser.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Conversation } from './tree';

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation; indexes: { updated: number } };
}

/** What a list shows of a conversation. */
export interface Listed {
  id: string;
  title: string;
  updated: number;
}

let opened: Promise<IDBPDatabase<Schema>> | null = null;

function database(): Promise<IDBPDatabase<Schema>> {
  opened ??= openDB<Schema>('lookback', 1, {
    upgrade(db) {
      const store = db.createObjectStore('conversations', { keyPath: 'id' });
      store.createIndex('updated', 'updated');
    },
    // Another tab has a newer page: this one lets go of the file.
    blocking: (_current, _next, event) => (event.target as IDBDatabase).close(),
    terminated: () => (opened = null),
  });
  opened.catch(() => (opened = null));
  return opened;
}

/** The newest first. */
export async function list(): Promise<Listed[]> {
  const all = await (await database()).getAllFromIndex('conversations', 'updated');
  return all.reverse().map(({ id, title, updated }) => ({ id, title, updated }));
}

export async function load(id: string): Promise<Conversation | undefined> {
  return (await database()).get('conversations', id);
}

export async function all(): Promise<Conversation[]> {
  return (await database()).getAll('conversations');
}

export async function save(conversation: Conversation): Promise<void> {
  await (await database()).put('conversations', conversation);
}

export async function forget(id: string): Promise<void> {
  await (await database()).delete('conversations', id);
}
