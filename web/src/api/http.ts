// Requests to the server that served the page, and what can become of them.

/** Why there is no answer, in words for people. */
export class ApiError extends Error {
  constructor(
    readonly kind: 'lost' | 'key' | 'refused' | 'stopped',
    message: string,
    /** The field of the request that the server refuses. */
    readonly field: string | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

const KEY = 'lookback.key';
let key = read();

function read(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

export function apiKey(): string {
  return key;
}

/** Kept in this browser alone. */
export function setApiKey(next: string): void {
  key = next.trim();
  try {
    if (key === '') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, key);
  } catch {
    // A browser that keeps nothing still has it until the page is closed.
  }
}

export function isStop(error: unknown): boolean {
  return error instanceof ApiError && error.kind === 'stopped';
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request('GET', path, undefined, signal)).json() as Promise<T>;
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await request('POST', path, body, signal);
  try {
    return (await response.json()) as T;
  } catch (error) {
    throw asApiError(error);
  }
}

/** The response of a request that the server took. */
export async function request(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (key !== '') headers['authorization'] = `Bearer ${key}`;
  let response: Response;
  try {
    // Relative: the page may be served below a path.
    response = await fetch(`.${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    });
  } catch (error) {
    throw asApiError(error);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DOMException && error.name === 'AbortError') {
    return new ApiError('stopped', 'stopped');
  }
  return new ApiError(
    'lost',
    'The server does not answer. Is "lookback serve" still running? What was written stays.',
  );
}

async function refusal(response: Response): Promise<ApiError> {
  const found = (await response.json().catch(() => null)) as {
    error?: { message?: string; param?: string | null };
  } | null;
  const message = found?.error?.message ?? `${response.status} ${response.statusText}`.trim();
  if (response.status === 401) return new ApiError('key', message);
  return new ApiError('refused', message, found?.error?.param ?? null);
}
