import { expect, test } from 'vitest';
import type { WireMessage } from '../../api/types';
import { divide, suggest, type Suggested } from './prefill';

test('a message is divided into a document and a question', () => {
  const long = 'The tenant pays on the first day of each month. '.repeat(20).trim();
  const check = (message: string, document: string, question: string) =>
    expect(divide(message)).toEqual({ document, question });
  check('The rent is 940.\n\nHow much?', 'The rent is 940.', 'How much?');
  check('lease.txt:\n\nOne.\n\nTwo.\n\nHow much?\n', 'lease.txt:\n\nOne.\n\nTwo.', 'How much?');
  check(`Sum it up.\n\n${long}`, long, 'Sum it up.');
  check(`${long}\n\n${long}`, '', `${long}\n\n${long}`);
  check('The rent is 940. How much is it?', 'The rent is 940.', 'How much is it?');
  check('Say hi.', '', 'Say hi.');
  check('', '', '');
});

test('a conversation suggests what to ask', () => {
  const lease = 'She pays on the first day of each month, and it is late. '.repeat(5).trim();
  const check = (messages: WireMessage[], expected: Partial<Suggested>) =>
    expect(suggest({ model: 'm', messages, answer: ' 940. ' })).toMatchObject(expected);
  check([{ role: 'user', content: `${lease}\n\nHow much?` }], {
    document: lease,
    question: 'How much?',
    answer: '940.',
    instruction: 'How much?',
    word: 'it',
  });
  check(
    [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: `${lease}\n\nWho pays?` },
      { role: 'assistant', content: 'The tenant.' },
      { role: 'user', content: 'When?' },
    ],
    { document: lease, question: 'When?', instruction: 'Be short.' },
  );
  check(
    [
      { role: 'system', content: lease },
      { role: 'user', content: 'When?' },
    ],
    { document: lease, instruction: 'When?' },
  );
  check([{ role: 'user', content: 'Say hi.' }], { document: '', question: 'Say hi.', word: '' });
  check([], { document: '', question: '' });
});
