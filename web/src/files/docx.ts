// The text of a Word document: a ZIP archive with XML in it.

import { strFromU8, unzipSync } from 'fflate';
import { FileError } from './readFile';

const BODY = 'word/document.xml';
const N_UNPACKED_MAX = 64 << 20;

export function readDocx(name: string, bytes: Uint8Array): string {
  const xml = unpack(name, bytes);
  const body = new DOMParser().parseFromString(xml, 'application/xml');
  if (body.getElementsByTagName('parsererror').length > 0) {
    throw new FileError(`${name} is damaged: its text is no XML.`);
  }
  const root = body.documentElement.getElementsByTagName('w:body')[0];
  if (root === undefined) throw new FileError(`${name} is damaged: it has no body.`);
  return [...root.children]
    .map(blockText)
    .filter((text) => text !== '')
    .join('\n\n');
}

function unpack(name: string, bytes: Uint8Array): string {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      filter: (file) => {
        if (file.name !== BODY) return false;
        if (file.originalSize <= N_UNPACKED_MAX) return true;
        throw new FileError(`The text of ${name} unpacks to over 64 MiB.`);
      },
    });
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(`${name} is a damaged archive.`);
  }
  const found = files[BODY];
  if (found === undefined) {
    throw new FileError(
      `${name} is a ZIP archive, not a Word document. Drop in the files that it holds.`,
    );
  }
  return strFromU8(found);
}

function blockText(element: Element): string {
  switch (element.tagName) {
    case 'w:p':
      return paragraph(element);
    case 'w:tbl':
      return [...element.children]
        .filter((row) => row.tagName === 'w:tr')
        .map((row) => cells(row).join('\t'))
        .join('\n');
    case 'w:sdt':
      return [...element.getElementsByTagName('w:sdtContent')]
        .slice(0, 1)
        .flatMap((content) => [...content.children])
        .map(blockText)
        .filter((text) => text !== '')
        .join('\n\n');
    default:
      return '';
  }
}

function cells(row: Element): string[] {
  const found = [...row.children].filter((cell) => cell.tagName === 'w:tc');
  return found.map((cell) =>
    [...cell.children]
      .map(blockText)
      .filter((text) => text !== '')
      .join(' '),
  );
}

function paragraph(element: Element): string {
  const text = [...element.children].map(runText).join('').trim();
  const isListed = element.getElementsByTagName('w:numPr').length > 0;
  return isListed && text !== '' ? `- ${text}` : text;
}

function runText(element: Element): string {
  switch (element.tagName) {
    case 'w:t':
      return element.textContent ?? '';
    case 'w:tab':
      return '\t';
    case 'w:br':
    case 'w:cr':
      return '\n';
    case 'w:noBreakHyphen':
      return '-';
    // What was deleted, and codes of fields, are no text.
    case 'w:del':
    case 'w:instrText':
    case 'w:pPr':
    case 'w:rPr':
      return '';
    default:
      return [...element.children].map(runText).join('');
  }
}
