// A Backstage backend with its catalog and the plugin. It also serves the bundled app, as plugin-app-backend would.
import { createBackend } from '@backstage/backend-defaults';
import { coreServices, createBackendPlugin } from '@backstage/backend-plugin-api';
import express from 'express';
import { fileURLToPath } from 'node:url';

const app = createBackendPlugin({
  pluginId: 'app',
  register(env) {
    env.registerInit({
      deps: { config: coreServices.rootConfig, router: coreServices.httpRouter },
      async init({ config, router }) {
        const data = { app: config.get('app'), backend: { baseUrl: config.getString('backend.baseUrl') } };
        const told = JSON.stringify([{ context: 'app', data: { ...data, auth: { environment: 'development' } } }]);
        const files = express.Router();
        files.use(express.static(fileURLToPath(new URL('dist', import.meta.url)), { index: false }));
        files.get('*', (_req, res) => {
          res.type('html').send(`<!doctype html><title>Backstage</title><link rel="stylesheet" href="/app.css">
<script type="backstage.io/config">${told}</script><div id="root"></div><script type="module" src="/app.js"></script>`);
        });
        router.use(files);
        router.addAuthPolicy({ path: '/', allow: 'unauthenticated' });
      },
    });
  },
});

const backend = createBackend();
backend.add(app);
backend.add(import('@backstage/plugin-auth-backend'));
backend.add(import('@backstage/plugin-auth-backend-module-guest-provider'));
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(import('@whydown/backstage-plugin-whydown-backend'));
backend.start();
