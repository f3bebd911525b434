// What a conversation suggests to ask: its document and its question, its instruction and its data.

import type { Subject, WireMessage } from '../../api/types';

export interface Suggested {
  document: string;
  question: string;
  answer: string;
  instruction: string;
  /** A pronoun of the document. */
  word: string;
}

/** A question is no longer than this, in characters. */
const N_QUESTION = 400;
/** Another message is a document from here on. */
const N_DOCUMENT = 200;
const PRONOUN = /\b(he|she|it|they|him|her|them|his|hers|its|their|theirs)\b/gi;

export function suggest({ messages, answer }: Subject): Suggested {
  const last = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  const own = divide(last);
  const document = own.document || longestOther(messages, last);
  const system = messages.find(({ role }) => role === 'system')?.content?.trim() ?? '';
  const isDocument = system === document;
  return {
    document,
    question: own.question,
    answer: answer.trim(),
    instruction: system === '' || isDocument ? own.question : system,
    word: [...document.matchAll(PRONOUN)].at(-1)?.[0] ?? '',
  };
}

/** A message as a text and what is asked of it, whichever comes first. */
export function divide(message: string): { document: string; question: string } {
  const text = message.trim();
  const paragraphs = text.split(/\n\s*\n/);
  const [first, last] = [paragraphs[0] ?? '', paragraphs.at(-1) ?? ''];
  if (paragraphs.length < 2) return divideSentences(text);
  if (last.length <= N_QUESTION) {
    return { document: text.slice(0, -last.length).trim(), question: last.trim() };
  }
  if (first.length <= N_QUESTION) {
    return { document: text.slice(first.length).trim(), question: first.trim() };
  }
  return { document: '', question: text };
}

/** A question may end the paragraph that it is about. */
function divideSentences(text: string): { document: string; question: string } {
  const sentences = [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text)];
  const last = sentences.at(-1);
  if (last === undefined || sentences.length < 2 || !last.segment.trimEnd().endsWith('?')) {
    return { document: '', question: text };
  }
  return { document: text.slice(0, last.index).trim(), question: last.segment.trim() };
}

/** A document may have come with an earlier message, from a tool or as the system's. */
function longestOther(messages: WireMessage[], last: string): string {
  let longest = '';
  for (const { role, content } of messages) {
    if (role === 'assistant' || content === null || content === last) continue;
    const text = role === 'user' ? divide(content).document : content.trim();
    if (text.length > longest.length) longest = text;
  }
  return longest.length >= N_DOCUMENT ? longest : '';
}
