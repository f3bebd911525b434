import { expect, test } from 'vitest';
import { fromFile, toFile } from './transfer';
import { append, newConversation } from './tree';

function example() {
  const made = newConversation(1);
  append(made, { id: 'a', parent: null, role: 'user', text: 'How much?', created: 2 });
  append(made, { id: 'b', parent: 'a', role: 'assistant', text: '940 euros.', created: 3 });
  return made;
}

test('what goes out comes back in', () => {
  const made = example();
  expect(fromFile(toFile([made]), () => false)).toEqual([made]);
});

test('nothing that is here is overwritten', () => {
  const made = example();
  const [found] = fromFile(toFile([made]), (id) => id === made.id);
  expect(found?.id).not.toBe(made.id);
  expect(found?.messages).toEqual(made.messages);
});

test('other files are refused in words', () => {
  const check = (text: string, expected: RegExp) => {
    expect(() => fromFile(text, () => false)).toThrow(expected);
  };
  check('hello', /no JSON/);
  check('[]', /holds no conversations/);
  check('null', /holds no conversations/);
  check(toFile([example()]).replace('"version": 1', '"version": 9'), /version 9, expected 1/);
  check(toFile([example()]).replace('"role": "user"', '"role": "king"'), /1 of the file is dam/);
  check(toFile([{ ...example(), id: 7 as unknown as string }]), /1 of the file is damaged/);
});
