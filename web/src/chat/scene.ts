// A conversation as it is shared: what was said, and which words the model was not sure of.

import type { Run, Scene } from '../share/scene';
import { unsure } from '../tokens/confidence';
import type { Message } from './tree';

const NAMES = { user: 'You', assistant: 'Answer', tool: 'Result of a tool' };

export function sceneOf(title: string, messages: Message[]): Scene {
  const models = new Set(messages.flatMap((message) => message.model ?? []));
  return {
    title: title || 'A conversation',
    subtitle: [...models].join(', '),
    legend: [],
    paragraphs: messages.flatMap((message) => [
      { runs: [{ text: NAMES[message.role], bold: true }] },
      ...(message.attachments ?? []).map((each) => ({ runs: [{ text: `With ${each.name}` }] })),
      { runs: message.role === 'assistant' ? answer(message) : [{ text: message.text }] },
    ]),
    table: null,
    grid: null,
    caveat: 'Words that the model itself found less than 40% likely are underlined.',
  };
}

function answer({ text, tokens = [] }: Message): Run[] {
  const runs: Run[] = [];
  let at = 0;
  for (const [start, end] of unsure(tokens)) {
    if (start > at) runs.push({ text: text.slice(at, start) });
    runs.push({ text: text.slice(start, end), underline: true });
    at = end;
  }
  if (at < text.length) runs.push({ text: text.slice(at) });
  return runs;
}
