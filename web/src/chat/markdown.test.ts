import { describe, expect, test } from 'vitest';
import { blocks } from './markdown';

function htmlOf(text: string): string {
  return blocks(text)
    .map((block) => (block.code ? `[${block.code.language}] ${block.code.text}` : block.html))
    .join('')
    .trim();
}

describe('what a model writes', () => {
  const check = (text: string, expected: string) => expect(htmlOf(text)).toEqual(expected);
  test('is read as Markdown', () => {
    check('**Paris** is', '<p><strong>Paris</strong> is</p>');
    check('```rust\nfn a() {}\n```', '[rust] fn a() {}');
    check('| a |\n|---|\n| 1 |', expect.stringContaining('<td>1</td>') as unknown as string);
  });
  test('can do nothing', () => {
    check('<script>alert(1)</script>', '');
    check('<img src=x onerror=alert(1)>', '');
    check(
      '[a](javascript:alert(1))',
      expect.not.stringContaining('javascript') as unknown as string,
    );
    check('<b onclick="alert(1)">a</b>', '<p><b>a</b></p>');
    check('<iframe src="//example.org"></iframe>', '');
    check('<style>body{display:none}</style>', '');
    check('![a](http://example.org/a.png)', '<p></p>');
  });
});

test('a text that grows changes its last block alone', () => {
  const before = blocks('one\n\ntwo');
  const after = blocks('one\n\ntwo and more');
  expect(after[0]).toBe(before[0]);
  expect(after[1]).not.toBe(before[1]);
});
