import { describe, expect, test } from 'vitest';
import {
  append,
  branch,
  newConversation,
  newestLeaf,
  remove,
  siblings,
  titleOf,
  type Conversation,
} from './tree';

/** Of messages like `a`, `b<a`: the second comes behind the first. */
function conversation(...messages: string[]): Conversation {
  const made = newConversation(0);
  messages.forEach((text, created) => {
    const [id = '', parent = null] = text.split('<');
    append(made, { id, parent, role: 'user', text: id, created });
  });
  return made;
}

describe('branches', () => {
  const check = (messages: string[], leaf: string, expected: string) => {
    const found = branch(conversation(...messages), leaf);
    expect(found.map((message) => message.id).join(' ')).toBe(expected);
  };
  test('go from the first message to their leaf', () => {
    check(['a', 'b<a', 'c<b'], 'c', 'a b c');
    check(['a', 'b<a', 'c<a'], 'b', 'a b');
    check(['a', 'b<nobody'], 'b', 'b');
    check(['a<b', 'b<a'], 'a', 'b a');
  });
  test('of edited messages stand beside each other', () => {
    const made = conversation('a', 'b<a', 'c<a', 'd<b');
    const beside = siblings(made, made.messages['c']!).map((message) => message.id);
    expect(beside).toEqual(['b', 'c']);
    expect(newestLeaf(made, 'a')).toBe('c');
    expect(newestLeaf(made, 'b')).toBe('d');
  });
  test('go as a whole, and show what stands beside them', () => {
    const made = conversation('a', 'b<a', 'c<b', 'x<a', 'y<x');
    remove(made, 'x');
    expect(Object.keys(made.messages)).toEqual(['a', 'b', 'c']);
    expect(made.leaf).toBe('c');
    remove(made, 'b');
    expect(made.leaf).toBe('a');
    remove(made, 'a');
    expect(made.leaf).toBe(null);
  });
});

test('titles are the beginning of what was asked', () => {
  expect(titleOf('  How much?\nAnd when?')).toBe('How much?');
  expect(titleOf('x'.repeat(99))).toHaveLength(60);
});
