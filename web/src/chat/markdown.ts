// What a model wrote as Markdown becomes HTML that can do nothing but be read.

import DOMPurify from 'dompurify';
import { Marked, type Token } from 'marked';

const marked = new Marked({ gfm: true, breaks: false });

/** Of a text that grows, only the last block changes. */
export interface Block {
  raw: string;
  html: string;
  /** Of a block of code. */
  code?: { language: string; text: string };
}

const made = new Map<string, Block>();
/** More than an answer has; what is dropped is made again. */
const N_KEPT = 2000;

export function blocks(text: string): Block[] {
  const tokens = marked.lexer(text);
  const { links } = tokens;
  return tokens.filter((token) => token.type !== 'space').map((token) => block(token, links));
}

function block(token: Token, links: Record<string, unknown>): Block {
  const key = token.raw;
  const known = Object.keys(links).length === 0 ? made.get(key) : undefined;
  if (known !== undefined) return known;
  const found = token.type === 'code' ? code(token) : { raw: key, html: html([token], links) };
  if (made.size >= N_KEPT) made.clear();
  made.set(key, found);
  return found;
}

function code(token: Token): Block {
  const { raw, text, lang } = token as Token & { text: string; lang?: string };
  return { raw, html: '', code: { language: (lang ?? '').split(/\s/, 1)[0] ?? '', text } };
}

function html(tokens: Token[], links: Record<string, unknown>): string {
  const parsed = marked.parser(Object.assign(tokens, { links }) as never);
  return sanitize(parsed);
}

/** Pictures would be fetched from elsewhere, forms and styles would imitate the page. */
export function sanitize(text: string): string {
  return DOMPurify.sanitize(text, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ['img', 'picture', 'video', 'audio', 'form', 'input', 'button', 'style', 'iframe'],
    FORBID_ATTR: ['style', 'class', 'id', 'name'],
    ALLOW_DATA_ATTR: false,
  });
}

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A') {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  }
});
