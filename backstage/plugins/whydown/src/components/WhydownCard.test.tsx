import { EntityProvider } from '@backstage/plugin-catalog-react';
import { renderInTestApp, TestApiProvider } from '@backstage/test-utils';
import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { whydownApiRef } from '../api';
import { DIAGNOSIS, ENTITY, ENTITY_REF, incident, refused } from '../testing/incidents';
import { ScriptedWhydown } from '../testing/scriptedWhydown';
import { WhydownCard } from './WhydownCard';

async function show(whydown: ScriptedWhydown) {
  await renderInTestApp(
    <TestApiProvider apis={[[whydownApiRef, whydown]]}>
      <EntityProvider entity={ENTITY}>
        <WhydownCard />
      </EntityProvider>
    </TestApiProvider>,
  );
  return whydown;
}

const analyze = () => userEvent.click(screen.getByRole('button', { name: 'Analyze incident' }));

describe('an analysis', () => {
  it('goes stage by stage to a diagnosis', async () => {
    const coverage = [{ source: 'logs.loki', status: 'timeout', detail: null }] as const;
    const stages = [
      incident('queued'),
      incident('gathering'),
      incident('diagnosing', { coverage }),
      incident('done', { coverage, diagnosis: DIAGNOSIS }),
    ];
    const said: string[] = [];
    const observer = new MutationObserver(() => {
      const status = screen.queryByRole('status')?.textContent;
      if (status && status !== said.at(-1)) {
        said.push(status);
      }
    });
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    const whydown = await show(new ScriptedWhydown(stages));

    await userEvent.type(screen.getByLabelText('Error messages or log excerpts'), 'Npgsql: Failed to connect');
    await analyze();

    expect(await screen.findByText('Commit 67e271c most likely broke it.')).toBeInTheDocument();
    observer.disconnect();
    expect(whydown.analyzed).toEqual([[ENTITY_REF, 'Npgsql: Failed to connect']]);
    expect(said).toEqual([
      'Waiting for its turn …',
      'Collecting changes, logs and known rules …',
      'Weighing what was found …',
      'Done',
    ]);
    expect(screen.getByText('Did not answer: logs.loki (timeout)')).toBeInTheDocument();
    expect(screen.getByText(/Confidence 58 %\. By mistral-small\./)).toBeInTheDocument();
    expect(screen.getByText(/notification-service/).closest('li')).toHaveTextContent(/: needs invoice-api$/);
    expect(screen.getByText('ghost').closest('li')).toHaveTextContent('ghost (not in the catalog): the model named it');
    expect(screen.getByText('No metrics are configured')).toBeInTheDocument();
    expect(screen.getByRole('link', { name: /Open the incident in Whydown/ })).toHaveAttribute(
      'href',
      'https://whydown.example.com/incidents/abc123',
    );
  });

  it('marks what was verified, and what was not', async () => {
    await show(new ScriptedWhydown([incident('done', { diagnosis: DIAGNOSIS })]));
    await analyze();
    const evidence = async (statement: string) => (await screen.findByText(statement)).closest('li');
    expect(await evidence('It logs a new error')).toHaveTextContent('✓ verified in F15');
    expect(await evidence('The disk is full')).toHaveTextContent('⚠ unverified');
    expect(await evidence('The disk is full')).not.toHaveTextContent('✓');
  });

  it("has its command copied, and shows Whydown's text as text", async () => {
    const user = userEvent.setup();
    const hostile = '<img src=x onerror=alert(1)> [click](https://evil.test) https://evil.test';
    const diagnosis = { ...DIAGNOSIS, probableCause: { ...DIAGNOSIS.probableCause, statement: hostile } };
    await show(new ScriptedWhydown([incident('done', { diagnosis, pageUrl: 'javascript:alert(1)' })]));
    await analyze();

    expect(await screen.findByText(hostile)).toBeInTheDocument();
    expect(document.querySelector('img')).toBeNull();
    expect(document.querySelectorAll('section a')).toHaveLength(0);
    await user.click(screen.getByRole('button', { name: 'Copy git revert 67e271ca710e' }));
    expect(await screen.findByText('Copied')).toBeInTheDocument();
  });

  it('says why it was skipped', async () => {
    await show(new ScriptedWhydown([incident('skipped', { detail: "not in catalog: no component is named 'x'" })]));
    await analyze();
    expect(await screen.findByText(/not in catalog/)).toBeInTheDocument();
    expect(screen.getByRole('status')).toHaveTextContent('Skipped');
  });

  it('says whose analysis covers it', async () => {
    const coveredBy = { service: 'invoice-db', title: 'Disk full' };
    await show(new ScriptedWhydown([incident('done', { coveredBy })]));
    await analyze();
    expect(await screen.findByText(/covered by the analysis of invoice-db: Disk full/)).toBeInTheDocument();
  });

  it('takes a judgement once it is finished', async () => {
    const whydown = await show(new ScriptedWhydown([incident('done', { diagnosis: DIAGNOSIS })]));
    await analyze();
    await userEvent.click(await screen.findByRole('button', { name: 'Partly' }));
    await waitFor(() => expect(screen.getByRole('button', { name: 'Partly' })).toHaveAttribute('aria-pressed', 'true'));
    expect(whydown.judged).toEqual([['abc123', 'partly']]);
  });

  it('takes no judgement of a brief that the model may still replace', async () => {
    await show(new ScriptedWhydown([incident('diagnosing', { diagnosis: DIAGNOSIS })]));
    await analyze();
    expect(await screen.findByText('Commit 67e271c most likely broke it.')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'Right' })).toBeNull();
  });
});

describe('a refusal', () => {
  it.each([
    [403, 'NotAllowedError', 'no', 'You may not ask about this entity'],
    [404, 'NotFoundError', 'it is not in the catalog, or you may not see it', 'Nothing that you may see'],
    [404, undefined, undefined, 'Whydown is missing in the backend'],
    [503, 'ServiceUnavailableError', 'Whydown cannot be reached: is it running?', 'Whydown cannot be asked'],
    [502, 'BadGatewayError', "Whydown refused this backend's token", 'Whydown cannot be asked'],
    [400, 'InputError', 'errors: too long', 'Whydown did not take this'],
  ])('%d %s is told in words, and can be tried again', async (status, name, message, title) => {
    const whydown = new ScriptedWhydown([incident('done', { diagnosis: DIAGNOSIS })]);
    whydown.refuses = await refused(status, name, message);
    await show(whydown);
    await analyze();
    expect(await screen.findByText(`Warning: ${title}`)).toBeInTheDocument();
    expect(screen.getByText(message ?? /backstage-plugin-whydown-backend/)).toBeInTheDocument();

    whydown.refuses = undefined;
    await analyze();
    expect(await screen.findByText('Commit 67e271c most likely broke it.')).toBeInTheDocument();
    expect(screen.queryByText(`Warning: ${title}`)).toBeNull();
  });
});

describe('recent incidents', () => {
  const recent = () => within(screen.getByRole('region', { name: 'Recent incidents' }));

  it('are listed with their cause, and shown by a click', async () => {
    const whydown = new ScriptedWhydown([incident('done', { diagnosis: DIAGNOSIS })]);
    whydown.listed = [incident('done', { cause: 'Commit 67e271c' }), incident('failed', { id: 'def456', title: 'Slow' })];
    await show(whydown);
    expect(recent().getByText('Slow (failed)')).toBeInTheDocument();
    await userEvent.click(await recent().findByText(/: Commit 67e271c$/));
    expect(await screen.findByText('Commit 67e271c most likely broke it.')).toBeInTheDocument();
    expect(whydown.analyzed).toEqual([]);
  });

  it('are read again when the analysis is finished', async () => {
    const whydown = new ScriptedWhydown([incident('queued'), incident('done', { diagnosis: DIAGNOSIS })]);
    whydown.incidents = async () => [incident(whydown.knownAtLook.length < 2 ? 'queued' : 'done')];
    await show(whydown);
    expect(await recent().findByText('Error rate above 5 % (queued)')).toBeInTheDocument();
    await analyze();
    expect(await recent().findByText('Error rate above 5 % (done)')).toBeInTheDocument();
  });

  it('may be none', async () => {
    await show(new ScriptedWhydown());
    expect(await recent().findByText('None of invoice-api so far.')).toBeInTheDocument();
  });

  it('take their time', async () => {
    const whydown = new ScriptedWhydown();
    whydown.listed = new Promise<never>(() => {});
    await show(whydown);
    expect(await recent().findByTestId('progress')).toBeInTheDocument();
  });

  it('can be asked for again', async () => {
    const whydown = new ScriptedWhydown();
    whydown.listed = await refused(503, 'ServiceUnavailableError', 'Whydown cannot be reached');
    await show(whydown);
    expect(await recent().findByText('Whydown cannot be reached')).toBeInTheDocument();
    whydown.listed = [incident('done')];
    await userEvent.click(recent().getByRole('button', { name: 'Try again' }));
    expect(await recent().findByText('Error rate above 5 % (done)')).toBeInTheDocument();
  });
});
