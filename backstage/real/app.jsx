// A Backstage frontend with the catalog and the card, on the new frontend system.
import '@backstage/ui/css/styles.css';
import { SignInPage } from '@backstage/core-components';
import { createApp } from '@backstage/frontend-defaults';
import { createFrontendModule } from '@backstage/frontend-plugin-api';
import { SignInPageBlueprint } from '@backstage/plugin-app-react';
import catalogPlugin from '@backstage/plugin-catalog/alpha';
import whydownPlugin from '@whydown/backstage-plugin-whydown';
import { createRoot } from 'react-dom/client';

const guests = createFrontendModule({
  pluginId: 'app',
  extensions: [
    SignInPageBlueprint.make({
      params: { loader: async () => props => <SignInPage {...props} providers={['guest']} /> },
    }),
  ],
});

const app = createApp({ features: [catalogPlugin, whydownPlugin, guests] });
createRoot(document.getElementById('root')).render(app.createRoot());
