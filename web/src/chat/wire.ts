// A branch of a conversation as the server reads it.

import type { WireMessage } from '../api/types';
import { withAttachments } from '../files/prompt';
import type { Message } from './tree';

export function toWire(system: string, messages: Message[]): WireMessage[] {
  const wire: WireMessage[] = [];
  if (system.trim() !== '') wire.push({ role: 'system', content: system });
  for (const message of messages) wire.push(one(message));
  return wire;
}

function one(message: Message): WireMessage {
  switch (message.role) {
    case 'user':
      return { role: 'user', content: withAttachments(message.text, message.attachments ?? []) };
    case 'tool':
      return { role: 'tool', content: message.text, tool_call_id: message.callId ?? '' };
    case 'assistant': {
      const calls = message.calls ?? [];
      const content = message.text === '' && calls.length > 0 ? null : message.text;
      const wire: WireMessage = { role: 'assistant', content };
      if (message.reasoning) wire.reasoning_content = message.reasoning;
      if (calls.length > 0) wire.tool_calls = calls;
      return wire;
    }
  }
}
