import { createComponentExtension, createPlugin } from '@backstage/core-plugin-api';
import { whydownApiFactory } from './plugin';

/** Whydown for the legacy frontend system. */
export const whydownLegacyPlugin = createPlugin({ id: 'whydown', apis: [whydownApiFactory] });

/** The card, for the grid of an entity page. */
export const EntityWhydownCard = whydownLegacyPlugin.provide(
  createComponentExtension({
    name: 'EntityWhydownCard',
    component: { lazy: async () => (await import('./components/WhydownCard')).WhydownCard },
  }),
);
