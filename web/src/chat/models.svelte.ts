// What the server serves, and whether it is there.

import { ApiError, get, request, wordsOf } from '../api/http';
import { events } from '../api/sse';
import type { ServedModel } from '../api/types';

export class Models {
  list = $state<ServedModel[]>([]);
  /** `asking` before the first answer. */
  state = $state<'asking' | 'there' | 'lost' | 'key'>('asking');
  problem = $state('');
  /** Of the model that is being loaded: from 0 to 1, `null` where nobody knows. */
  loading = $state<{ id: string; progress: number | null } | null>(null);

  async refresh(): Promise<void> {
    try {
      const found = await get<{ data: ServedModel[] }>('/v1/models');
      this.list = found.data;
      this.state = 'there';
      this.problem = '';
    } catch (error) {
      this.state = error instanceof ApiError && error.kind === 'key' ? 'key' : 'lost';
      this.problem = wordsOf(error);
    }
  }

  named(id: string | null): ServedModel | undefined {
    return this.list.find((model) => model.id === id) ?? this.list[0];
  }

  /** Brings a model into memory, and tells how far it is. */
  async load(id: string): Promise<void> {
    if (this.named(id)?.status !== 'unloaded') return;
    this.loading = { id, progress: null };
    try {
      const path = `/v1/models/${encodeURIComponent(id)}/load`;
      const response = await request('POST', path, {});
      for await (const data of events(response)) {
        const found = JSON.parse(data) as { progress?: number; error?: { message: string } };
        if (found.error) throw new ApiError('refused', found.error.message);
        if (found.progress !== undefined) this.loading = { id, progress: found.progress };
      }
      this.problem = '';
    } catch (error) {
      this.problem = wordsOf(error);
    } finally {
      this.loading = null;
      await this.refresh();
    }
  }
}
