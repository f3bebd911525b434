// Server-sent events of a response, one after another.

import { asApiError } from './http';

/** The data of each event, until the stream ends or says `[DONE]`. */
export async function* events(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith('data:')) continue;
        const data = line.slice(5).trim();
        if (data === '[DONE]') return;
        yield data;
      }
    }
  } catch (error) {
    throw asApiError(error);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
