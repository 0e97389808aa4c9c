import { createApiRef, type DiscoveryApi, type FetchApi } from '@backstage/core-plugin-api';
import { ResponseError } from '@backstage/errors';
import type { Incident, IncidentSummary, Verdict } from './incident';

/** How many of an entity's incidents are listed. */
const LISTED = 5;

/** Seconds between two looks, where the backend says nothing else. */
const LOOK_AGAIN_SECONDS = 2;

/** An incident as it was at one moment. */
export interface Look {
  readonly incident: Incident;
  readonly etag?: string;
  readonly againAfterSeconds: number;
}

/** What the card asks of `@whydown/backstage-plugin-whydown-backend`. Everything rejects with ResponseError. */
export interface WhydownApi {
  /** Opens an analysis of the entity and gives the incident's id. `errors` is pasted error text. */
  analyze(entityRef: string, errors: string): Promise<string>;
  /** The entity's incidents, newest first. */
  incidents(entityRef: string): Promise<readonly IncidentSummary[]>;
  /** An incident of the entity; `known` is given back where nothing changed since. */
  look(id: string, entityRef: string, known?: Look, signal?: AbortSignal): Promise<Look>;
  /** Says how the diagnosis was. */
  judge(id: string, entityRef: string, verdict: Verdict): Promise<void>;
}

/** The API's place among Backstage's. */
export const whydownApiRef = createApiRef<WhydownApi>({ id: 'plugin.whydown' });

/** Asks the backend plugin over HTTP, as the signed-in user. */
export class WhydownClient implements WhydownApi {
  constructor(
    private readonly discovery: DiscoveryApi,
    private readonly http: FetchApi,
  ) {}

  async analyze(entityRef: string, errors: string): Promise<string> {
    const response = await this.post('/analyze', { entityRef, errors: errors.trim() || undefined });
    const { incidents } = await response.json();
    return incidents[0].id;
  }

  async incidents(entityRef: string): Promise<readonly IncidentSummary[]> {
    const query = new URLSearchParams({ entityRef, limit: String(LISTED) });
    const response = await this.ask(`/incidents?${query}`);
    return (await response.json()).incidents;
  }

  async look(id: string, entityRef: string, known?: Look, signal?: AbortSignal): Promise<Look> {
    const headers: Record<string, string> = known?.etag ? { 'If-None-Match': known.etag } : {};
    const response = await this.ask(this.path(id, entityRef), { headers, signal });
    const againAfterSeconds = Number(response.headers.get('Retry-After')) || LOOK_AGAIN_SECONDS;
    if (response.status === 304 && known) {
      return { ...known, againAfterSeconds };
    }
    return { incident: await response.json(), etag: response.headers.get('ETag') ?? undefined, againAfterSeconds };
  }

  async judge(id: string, entityRef: string, verdict: Verdict): Promise<void> {
    await this.post(this.path(id, entityRef, '/feedback'), { verdict });
  }

  private path(id: string, entityRef: string, below = ''): string {
    return `/incidents/${encodeURIComponent(id)}${below}?${new URLSearchParams({ entityRef })}`;
  }

  private post(path: string, body: object): Promise<Response> {
    const headers = { 'Content-Type': 'application/json' };
    return this.ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  private async ask(path: string, init?: RequestInit): Promise<Response> {
    const response = await this.http.fetch(`${await this.discovery.getBaseUrl('whydown')}${path}`, init);
    if (!response.ok && response.status !== 304) {
      throw await ResponseError.fromResponse(response);
    }
    return response;
  }
}
