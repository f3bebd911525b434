import { strToU8, zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { withAttachments } from './prompt';
import { readFile } from './readFile';

function file(name: string, content: string | Uint8Array | number[]): File {
  const bytes = typeof content === 'string' ? strToU8(content) : new Uint8Array(content);
  return new File([bytes as BlobPart], name);
}

describe('texts', () => {
  const check = async (content: string | number[], expected: string) => {
    const found = await readFile(file('a.txt', content));
    expect(found).toEqual({ name: 'a.txt', kind: 'text', text: expected });
  };
  test('are read in the encodings that people have', async () => {
    await check('Grüße\r\nzwei\rdrei', 'Grüße\nzwei\ndrei');
    await check([0xef, 0xbb, 0xbf, 0x61], 'a');
    await check([0xff, 0xfe, 0x61, 0x00, 0xe9, 0x00], 'aé');
    await check([0xfe, 0xff, 0x00, 0x61], 'a');
    // Windows-1252.
    await check([0x47, 0x72, 0xfc, 0xdf, 0x65], 'Grüße');
    await check('<!doctype html><p>as it is', '<!doctype html><p>as it is');
  });
});

describe('what is no text', () => {
  const check = async (name: string, content: string | number[], expected: RegExp) => {
    await expect(readFile(file(name, content))).rejects.toThrow(expected);
  };
  test('is refused in words', async () => {
    await check(
      'a.png',
      [0x89, 0x50, 0x4e, 0x47, 0x0d],
      /a\.png is no text: it holds a PNG picture/,
    );
    await check('a.txt', [0xff, 0xd8, 0xff, 0xe0], /a JPEG picture/);
    await check('a.doc', [0xd0, 0xcf, 0x11, 0xe0], /save it as \.docx/);
    await check('a.gguf', 'GGUF', /it holds a model/);
    await check('a.bin', [1, 2, 3, 4, 0, 0, 9], /bytes that spell no text/);
    await check('a.txt', '', /a\.txt is empty/);
    await check('a.txt', ' \n ', /holds no text/);
    await check('a.zip', [0x50, 0x4b, 0x03, 0x04, 1, 2], /damaged archive/);
  });
  test('has bounds', async () => {
    await check('a.txt', 'a'.repeat((8 << 20) + 1), /over 8 MiB/);
    const large = { name: 'a.txt', size: 33 << 20 } as File;
    await expect(readFile(large)).rejects.toThrow(/has 33 MiB; a file may have 32/);
  });
});

describe('Word documents', () => {
  const docx = (body: string) =>
    zipSync({
      'word/document.xml': strToU8(
        `<?xml version="1.0"?><w:document xmlns:w="w">${body}</w:document>`,
      ),
      'word/styles.xml': strToU8('<x/>'),
    });
  const check = async (body: string, expected: string) => {
    const found = await readFile(file('a.docx', docx(`<w:body>${body}</w:body>`)));
    expect(found).toEqual({ name: 'a.docx', kind: 'docx', text: expected });
  };
  const run = (text: string) => `<w:r><w:rPr><w:b/></w:rPr><w:t>${text}</w:t></w:r>`;
  const paragraph = (inside: string) => `<w:p><w:pPr><w:jc/></w:pPr>${inside}</w:p>`;
  test('are read paragraph by paragraph', async () => {
    await check(
      paragraph(run('One ') + run('two.')) + paragraph(run('Three.')),
      'One two.\n\nThree.',
    );
    await check(paragraph(`${run('a')}<w:r><w:tab/><w:br/></w:r>${run('b')}`), 'a\t\nb');
    await check(
      paragraph(`${run('kept')}<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>`),
      'kept',
    );
    await check(paragraph(`<w:ins>${run('added')}</w:ins>`), 'added');
    await check(paragraph(`<w:hyperlink>${run('link')}</w:hyperlink>`), 'link');
    await check(`<w:p><w:pPr><w:numPr/></w:pPr>${run('item')}</w:p>`, '- item');
  });
  test('have tables', async () => {
    const cell = (text: string) => `<w:tc>${paragraph(run(text))}</w:tc>`;
    const row = (...cells: string[]) => `<w:tr>${cells.map(cell).join('')}</w:tr>`;
    await check(`<w:tbl>${row('a', 'b')}${row('c', 'd')}</w:tbl>`, 'a\tb\nc\td');
  });
  test('that are none say so', async () => {
    const other = file('a.zip', zipSync({ 'readme.txt': strToU8('hi') }));
    await expect(readFile(other)).rejects.toThrow(/a ZIP archive, not a Word document/);
    const broken = file('a.docx', zipSync({ 'word/document.xml': strToU8('<w:document>') }));
    await expect(readFile(broken)).rejects.toThrow(/its text is no XML/);
  });
});

test('files stand before what is asked of them', () => {
  const lease = { name: 'lease.txt', kind: 'text' as const, text: 'One.\n' };
  expect(withAttachments('How much?', [])).toBe('How much?');
  expect(withAttachments('How much?', [lease])).toBe('lease.txt:\n\nOne.\n\nHow much?');
  expect(withAttachments('', [lease])).toBe('lease.txt:\n\nOne.');
});
