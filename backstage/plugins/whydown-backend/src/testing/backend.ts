import { createServiceFactory, type BackstageCredentials } from '@backstage/backend-plugin-api';
import { mockCredentials, mockServices, startTestBackend } from '@backstage/backend-test-utils';
import type { Entity } from '@backstage/catalog-model';
import { catalogServiceRef } from '@backstage/plugin-catalog-node';
import { catalogServiceMock } from '@backstage/plugin-catalog-node/testUtils';
import type { JsonObject } from '@backstage/types';
import whydownPlugin from '..';

/** A component of the catalog. */
export function component(name: string, annotations: Record<string, string> = {}, namespace = 'default'): Entity {
  return { apiVersion: 'backstage.io/v1alpha1', kind: 'Component', metadata: { name, namespace, annotations } };
}

/** A catalog whose users see `visible`, while the backend itself also sees `hidden`. */
export function catalog(visible: Entity[], hidden: Entity[] = []) {
  const forUsers = catalogServiceMock({ entities: visible });
  const forServices = catalogServiceMock({ entities: [...visible, ...hidden] });
  const seenBy = ({ credentials }: { credentials: BackstageCredentials }) =>
    (credentials.principal as { type: string }).type === 'user' ? forUsers : forServices;
  return createServiceFactory({
    service: catalogServiceRef,
    deps: {},
    factory: () => ({
      ...catalogServiceMock.mock(),
      getEntityByRef: (ref, options) => seenBy(options).getEntityByRef(ref, options),
      getEntitiesByRefs: (request, options) => seenBy(options).getEntitiesByRefs(request, options),
    }),
  });
}

/** A Backstage backend with the plugin, and a way to ask it as a browser would. */
export async function backstage(whydown: JsonObject, entities: ReturnType<typeof catalog>) {
  const logger = mockServices.logger.mock({ child: () => logger });
  const backend = await startTestBackend({
    features: [whydownPlugin, entities, mockServices.rootConfig.factory({ data: { whydown } }), logger.factory],
  });
  async function ask(path: string, init: RequestInit = {}) {
    const headers = { authorization: mockCredentials.user.header(), ...(init.headers as Record<string, string>) };
    return fetch(`http://127.0.0.1:${backend.server.port()}/api/whydown${path}`, { ...init, headers });
  }
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return { ask, post, stop: () => backend.stop(), logger };
}
