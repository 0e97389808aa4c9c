import { TestApiProvider } from '@backstage/test-utils';
import { act, renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';
import { whydownApiRef } from './api';
import { ENTITY_REF, incident, refused } from './testing/incidents';
import { ScriptedWhydown } from './testing/scriptedWhydown';
import { useIncident } from './useIncident';

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

const pass = (seconds: number) => act(() => jest.advanceTimersByTimeAsync(seconds * 1000));

function follow(whydown: ScriptedWhydown) {
  return renderHook(() => useIncident('abc123', ENTITY_REF), {
    wrapper: ({ children }: { children: ReactNode }) => (
      <TestApiProvider apis={[[whydownApiRef, whydown]]}>{children}</TestApiProvider>
    ),
  });
}

it('names what it knows, and stops looking at the end', async () => {
  const whydown = new ScriptedWhydown([incident('queued'), incident('gathering'), incident('done')]);
  const { result } = follow(whydown);
  await pass(60);
  expect(result.current.incident?.status).toBe('done');
  expect(whydown.knownAtLook.map(known => known?.etag)).toEqual([undefined, 'W/"1"', 'W/"2"']);
});

it('keeps what it saw while Whydown is away, and goes on when it is back', async () => {
  const away = await refused(503, 'ServiceUnavailableError', 'Whydown cannot be reached');
  const { result } = follow(new ScriptedWhydown([incident('gathering'), away, away, incident('done')]));
  await pass(1);
  expect(result.current).toEqual({ incident: incident('gathering'), error: away });
  await pass(20);
  expect(result.current).toEqual({ incident: incident('done'), error: undefined });
});

it('does not ask again for what it may not see', async () => {
  const whydown = new ScriptedWhydown([await refused(404, 'NotFoundError', 'there is no incident')]);
  const { result } = follow(whydown);
  await pass(60);
  expect(result.current.error).toBeDefined();
  expect(whydown.knownAtLook).toHaveLength(1);
});

it('stops when it is left', async () => {
  const whydown = new ScriptedWhydown([incident('queued')]);
  const { unmount } = follow(whydown);
  await pass(0);
  unmount();
  const looks = whydown.knownAtLook.length;
  await pass(60);
  expect(whydown.knownAtLook).toHaveLength(looks);
});
