import type { Entity } from '@backstage/catalog-model';
import { ResponseError } from '@backstage/errors';
import type { Diagnosis, Incident, Status } from '../incident';

/** The page's entity in the tests. */
export const ENTITY: Entity = {
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Component',
  metadata: { name: 'invoice-api', namespace: 'default' },
};

export const ENTITY_REF = 'component:default/invoice-api';

/** A diagnosis with one quote that was found in its fact and one that was not. */
export const DIAGNOSIS: Diagnosis = {
  probableCause: {
    statement: 'Commit 67e271c most likely broke it.',
    confidence: 0.58,
    citations: [{ fact: 'F8', quote: 'refactor config to use Server= syntax', verified: true }],
  },
  evidence: [
    { statement: 'It logs a new error', fact: 'F15', quote: 'Failed to connect to 10.0.1.5:5432', verified: true },
    { statement: 'The disk is full', fact: 'F99', quote: 'No space left on device', verified: false },
  ],
  suggestedActions: [{ kind: 'immediate', text: 'Roll back', command: 'git revert 67e271ca710e' }],
  relatedServices: [
    { service: 'notification-service', reason: 'needs invoice-api', inCatalog: true },
    { service: 'ghost', reason: 'the model named it', inCatalog: false },
  ],
  missingData: ['No metrics are configured'],
  producedBy: { stage: 'model', model: 'mistral-small' },
};

/** An incident of the entity. */
export function incident(status: Status, more: Partial<Incident> = {}): Incident {
  return {
    id: 'abc123',
    status,
    service: 'invoice-api',
    title: 'Error rate above 5 %',
    severity: 'critical',
    startedAt: '2026-11-23T03:12:00Z',
    pageUrl: 'https://whydown.example.com/incidents/abc123',
    coverage: [],
    ...more,
  };
}

/** How the backend refuses. */
export async function refused(status: number, name?: string, message?: string): Promise<ResponseError> {
  const body = name && JSON.stringify({ error: { name, message }, response: { statusCode: status } });
  return ResponseError.fromResponse(new Response(body, { status, headers: { 'content-type': 'application/json' } }));
}
