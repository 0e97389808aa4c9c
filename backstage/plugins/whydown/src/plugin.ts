import { createApiFactory, discoveryApiRef, fetchApiRef } from '@backstage/core-plugin-api';
import { ApiBlueprint, createFrontendPlugin } from '@backstage/frontend-plugin-api';
import { EntityCardBlueprint } from '@backstage/plugin-catalog-react/alpha';
import { createElement } from 'react';
import { WhydownClient, whydownApiRef } from './api';
import { isWhydownAvailable } from './availability';

/** How the card asks the backend. */
export const whydownApiFactory = createApiFactory({
  api: whydownApiRef,
  deps: { discoveryApi: discoveryApiRef, fetchApi: fetchApiRef },
  factory: ({ discoveryApi, fetchApi }) => new WhydownClient(discoveryApi, fetchApi),
});

/** The card on the entity page: `entity-card:whydown`. */
export const entityWhydownCard = EntityCardBlueprint.make({
  params: {
    filter: isWhydownAvailable,
    loader: async () => createElement((await import('./components/WhydownCard')).WhydownCard),
  },
});

/** Whydown for the new frontend system. */
export const whydownPlugin = createFrontendPlugin({
  pluginId: 'whydown',
  extensions: [ApiBlueprint.make({ params: defineParams => defineParams(whydownApiFactory) }), entityWhydownCard],
});
