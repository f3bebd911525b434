// The text of a PDF, read by pdf.js, which is fetched when the first one is dropped in.

import * as pdfjs from 'pdfjs-dist';
import worker from 'pdfjs-dist/build/pdf.worker.min.mjs?url';
import { joinLines, type Piece } from './lines';
import { FileError } from './readFile';

pdfjs.GlobalWorkerOptions.workerSrc = worker;

export async function readPdf(
  name: string,
  bytes: Uint8Array,
): Promise<{ text: string; n_pages: number }> {
  const task = pdfjs.getDocument({
    data: bytes,
    // Nothing is fetched, and nothing of the file is run.
    isEvalSupported: false,
    disableFontFace: true,
    useWasm: false,
    useSystemFonts: true,
  });
  try {
    const pdf = await task.promise;
    const pages: string[] = [];
    for (let nth = 1; nth <= pdf.numPages; nth += 1) {
      const page = await pdf.getPage(nth);
      const { items } = await page.getTextContent();
      pages.push(joinLines(items.filter((item) => 'str' in item).map(piece)));
      page.cleanup();
    }
    const text = pages.filter((page) => page !== '').join('\n\n');
    if (text.trim() === '') {
      throw new FileError(
        `${name} holds no text, only pictures of it. Let a program for scans read it first.`,
      );
    }
    return { text, n_pages: pdf.numPages };
  } catch (error) {
    throw error instanceof FileError ? error : new FileError(words(name, error));
  } finally {
    void task.destroy();
  }
}

function piece(item: { str: string; hasEOL: boolean; transform: number[]; height: number }): Piece {
  return { text: item.str, endsLine: item.hasEOL, y: item.transform[5] ?? 0, height: item.height };
}

function words(name: string, error: unknown): string {
  const kind = error instanceof Error ? error.name : '';
  if (kind === 'PasswordException') return `${name} is locked by a password. Save it without one.`;
  return `${name} is a damaged PDF: ${error instanceof Error ? error.message : String(error)}`;
}
