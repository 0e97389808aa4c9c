import { useApi } from '@backstage/core-plugin-api';
import { useEffect, useState } from 'react';
import { type Look, whydownApiRef } from './api';
import { type Incident, isFinished } from './incident';
import { isTransient } from './refusal';

/** Seconds until the next try when Whydown could not be reached. */
const RETRY_SECONDS = 5;

/** An incident that is followed to its end. While it cannot be reached, what was last seen stays, with the error. */
export function useIncident(id: string, entityRef: string): { incident?: Incident; error?: Error } {
  const api = useApi(whydownApiRef);
  const [seen, setSeen] = useState<{ look?: Look; error?: Error }>({});

  useEffect(() => {
    const left = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const again = (seconds: number, known?: Look) => {
      timer = setTimeout(follow, seconds * 1000, known);
    };
    async function follow(known?: Look) {
      try {
        const look = await api.look(id, entityRef, known, left.signal);
        if (left.signal.aborted) {
          return;
        }
        setSeen({ look });
        if (!isFinished(look.incident)) {
          again(look.againAfterSeconds, look);
        }
      } catch (failure) {
        if (left.signal.aborted) {
          return;
        }
        setSeen({ look: known, error: failure as Error });
        if (isTransient(failure as Error)) {
          again(RETRY_SECONDS, known);
        }
      }
    }
    follow();
    return () => {
      left.abort();
      clearTimeout(timer);
    };
  }, [api, id, entityRef]);

  return { incident: seen.look?.incident, error: seen.error };
}
