// A file that somebody drops in becomes a text.

import { kindOf } from './magic';
import { decode } from './plain';

export interface Attachment {
  name: string;
  kind: 'text' | 'pdf' | 'docx';
  text: string;
  n_pages?: number;
}

/** Why a file is no text, in a line for people. */
export class FileError extends Error {
  override readonly name = 'FileError';
}

export const N_FILE_BYTES_MAX = 32 << 20;
export const N_TEXT_MAX = 8 << 20;

export async function readFile(file: File): Promise<Attachment> {
  if (file.size === 0) throw new FileError(`${file.name} is empty.`);
  if (file.size > N_FILE_BYTES_MAX) {
    const size = (file.size / (1 << 20)).toFixed(0);
    throw new FileError(`${file.name} has ${size} MiB; a file may have 32. Drop in a part of it.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const found = await readBytes(file.name, bytes);
  if (found.text.trim() === '') throw new FileError(`${file.name} holds no text.`);
  if (found.text.length > N_TEXT_MAX) {
    throw new FileError(`The text of ${file.name} has over 8 MiB. Drop in a part of it.`);
  }
  return found;
}

async function readBytes(name: string, bytes: Uint8Array): Promise<Attachment> {
  const kind = kindOf(bytes);
  if (kind === 'pdf') {
    const { readPdf } = await import('./pdf');
    return { name, kind: 'pdf', ...(await readPdf(name, bytes)) };
  }
  if (kind === 'zip') {
    const { readDocx } = await import('./docx');
    return { name, kind: 'docx', text: readDocx(name, bytes) };
  }
  const text = kind === 'text' ? decode(bytes) : null;
  if (text === null) {
    const like = kind === 'text' ? 'bytes that spell no text' : kind;
    throw new FileError(
      `${name} is no text: it holds ${like}. Drop in a .txt, .md, .pdf, .docx or source file.`,
    );
  }
  return { name, kind: 'text', text };
}
