import { useApi } from '@backstage/core-plugin-api';
import Button from '@material-ui/core/Button';
import ButtonGroup from '@material-ui/core/ButtonGroup';
import Typography from '@material-ui/core/Typography';
import { useState } from 'react';
import { whydownApiRef } from '../api';
import type { Incident, Verdict } from '../incident';
import { RefusalPanel } from './RefusalPanel';

const VERDICTS: Record<Verdict, string> = { right: 'Right', partly: 'Partly', wrong: 'Wrong' };

/** Asks whether the diagnosis was right: later incidents with the same errors show it. */
export function Judgement({ incident, entityRef }: { incident: Incident; entityRef: string }) {
  const api = useApi(whydownApiRef);
  const [verdict, setVerdict] = useState(incident.feedback?.verdict);
  const [refused, setRefused] = useState<Error>();

  async function judge(said: Verdict) {
    setRefused(undefined);
    try {
      await api.judge(incident.id, entityRef, said);
      setVerdict(said);
    } catch (failure) {
      setRefused(failure as Error);
    }
  }

  return (
    <>
      <Typography variant="body2">Was the diagnosis right?</Typography>
      <ButtonGroup size="small" aria-label="Was the diagnosis right?" style={{ marginBottom: 8 }}>
        {Object.entries(VERDICTS).map(([said, label]) => (
          <Button
            key={said}
            aria-pressed={said === verdict}
            variant={said === verdict ? 'contained' : 'outlined'}
            onClick={() => judge(said as Verdict)}
          >
            {label}
          </Button>
        ))}
      </ButtonGroup>
      {refused && <RefusalPanel error={refused} />}
    </>
  );
}
