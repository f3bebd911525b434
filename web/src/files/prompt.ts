// What the model reads of a message with files.

import type { Attachment } from './readFile';

/** Each file under its name, then what is asked about them. */
export function withAttachments(text: string, attachments: Attachment[]): string {
  const files = attachments.map((each) => `${each.name}:\n\n${each.text.trim()}`);
  return [...files, text].filter((part) => part !== '').join('\n\n');
}
