// What a file is by its first bytes, whatever its name says.

const KINDS: [string, number[]][] = [
  ['a PNG picture', [0x89, 0x50, 0x4e, 0x47]],
  ['a JPEG picture', [0xff, 0xd8, 0xff]],
  ['a GIF picture', [0x47, 0x49, 0x46, 0x38]],
  ['a sound or a film', [0x49, 0x44, 0x33]],
  ['a sound or a film', [0x4f, 0x67, 0x67, 0x53]],
  ['a program', [0x7f, 0x45, 0x4c, 0x46]],
  ['a program', [0x4d, 0x5a, 0x90, 0x00]],
  ['an archive', [0x1f, 0x8b]],
  ['an archive', [0x37, 0x7a, 0xbc, 0xaf]],
  ['a model', [0x47, 0x47, 0x55, 0x46]],
  ['a document of an old Office: save it as .docx', [0xd0, 0xcf, 0x11, 0xe0]],
  ['a database', [0x53, 0x51, 0x4c, 0x69, 0x74, 0x65]],
];

/** `text` where nothing else is known of it; other words are for people. */
export function kindOf(bytes: Uint8Array): 'pdf' | 'zip' | 'text' | (string & {}) {
  const begins = (magic: number[], at = 0) => magic.every((byte, i) => bytes[at + i] === byte);
  if (begins([0x25, 0x50, 0x44, 0x46, 0x2d])) return 'pdf';
  if (begins([0x50, 0x4b, 0x03, 0x04])) return 'zip';
  // RIFF holds pictures and sounds, `ftyp` films.
  if (begins([0x52, 0x49, 0x46, 0x46]) || begins([0x66, 0x74, 0x79, 0x70], 4)) {
    return 'a picture, a sound or a film';
  }
  return KINDS.find(([, magic]) => begins(magic))?.[0] ?? 'text';
}
