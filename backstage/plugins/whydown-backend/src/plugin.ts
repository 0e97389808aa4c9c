import { coreServices, createBackendPlugin } from '@backstage/backend-plugin-api';
import { catalogServiceRef } from '@backstage/plugin-catalog-node';
import { Ownership } from './ownership';
import { createRouter, WEBHOOK } from './router';
import { readSettings } from './settings';
import { Whydown } from './whydown';

/** The routes of `/api/whydown`: for signed-in users, and one webhook for senders that show its token. */
export const whydownPlugin = createBackendPlugin({
  pluginId: 'whydown',
  register(env) {
    env.registerInit({
      deps: {
        auth: coreServices.auth,
        catalog: catalogServiceRef,
        config: coreServices.rootConfig,
        httpAuth: coreServices.httpAuth,
        httpRouter: coreServices.httpRouter,
        logger: coreServices.logger,
      },
      async init({ auth, catalog, config, httpAuth, httpRouter, logger }) {
        const settings = readSettings(config);
        const whydown = new Whydown(settings.baseUrl, logger);
        httpRouter.use(createRouter({ httpAuth, ownership: new Ownership(catalog, auth), settings, whydown }));
        // Monitoring has no Backstage identity; the route asks for a token of its own.
        httpRouter.addAuthPolicy({ path: WEBHOOK, allow: 'unauthenticated' });
      },
    });
  },
});
