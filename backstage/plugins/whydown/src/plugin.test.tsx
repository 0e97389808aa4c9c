import { createTestEntityPage } from '@backstage/plugin-catalog-react/testUtils';
import { EntityProvider } from '@backstage/plugin-catalog-react';
import { renderTestApp } from '@backstage/frontend-test-utils';
import { renderInTestApp, TestApiProvider } from '@backstage/test-utils';
import { screen } from '@testing-library/react';
import whydownPlugin, { EntityWhydownCard, IncidentCard, isWhydownAvailable, whydownApiRef, whydownLegacyPlugin } from '.';
import { ENTITY } from './testing/incidents';
import { ScriptedWhydown } from './testing/scriptedWhydown';

const page = (entity: typeof ENTITY) =>
  renderTestApp({
    features: [whydownPlugin],
    extensions: [createTestEntityPage({ entity })],
    apis: [[whydownApiRef, new ScriptedWhydown()]],
  });

it('stands on the entity page of the new frontend system', async () => {
  page(ENTITY);
  expect(await screen.findByText('Incident analysis')).toBeInTheDocument();
  expect(await screen.findByText('None of invoice-api so far.')).toBeInTheDocument();
});

it('stands on components, and on what carries the annotation', async () => {
  const group = { ...ENTITY, kind: 'Group' };
  const annotated = { ...group, metadata: { ...group.metadata, annotations: { 'whydown.dev/service': 'invoices' } } };
  expect([ENTITY, group, annotated].map(isWhydownAvailable)).toEqual([true, false, true]);
});

it('stands on the entity page of the legacy frontend system, also under the name that was used before', async () => {
  expect(IncidentCard).toBe(EntityWhydownCard);
  expect([...whydownLegacyPlugin.getApis()].map(factory => factory.api.id)).toEqual(['plugin.whydown']);
  await renderInTestApp(
    <TestApiProvider apis={[[whydownApiRef, new ScriptedWhydown()]]}>
      <EntityProvider entity={ENTITY}>
        <EntityWhydownCard />
      </EntityProvider>
    </TestApiProvider>,
  );
  expect(await screen.findByText('Incident analysis')).toBeInTheDocument();
});
