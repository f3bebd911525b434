// Bytes become text, if they are one.

/** `null`: they are none. */
export function decode(bytes: Uint8Array): string | null {
  const [first, second] = bytes;
  const utf16 = first === 0xff && second === 0xfe ? 'utf-16le' : null;
  const encoding = utf16 ?? (first === 0xfe && second === 0xff ? 'utf-16be' : null);
  if (encoding !== null) return checked(tryDecode(bytes, encoding));
  const text = tryDecode(bytes, 'utf-8');
  // What is not UTF-8 may be of an older Windows, where every byte is a character.
  return checked(text ?? tryDecode(bytes, 'windows-1252'));
}

function tryDecode(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Texts hold hardly any characters that control something, beside lines and tabs. */
function checked(text: string | null): string | null {
  if (text === null || text.includes('\0')) return null;
  // eslint-disable-next-line no-control-regex
  const n =
    text.match(/[\u0001-\u0008\u000e-\u001a\u001c-\u001f\u007f-\u009f\ufffd]/g)?.length ?? 0;
  if (n > text.length / 100) return null;
  return text.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
}
