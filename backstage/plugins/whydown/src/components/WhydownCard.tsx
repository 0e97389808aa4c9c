import { stringifyEntityRef } from '@backstage/catalog-model';
import { InfoCard } from '@backstage/core-components';
import { useApi } from '@backstage/core-plugin-api';
import { useEntity } from '@backstage/plugin-catalog-react';
import Button from '@material-ui/core/Button';
import CircularProgress from '@material-ui/core/CircularProgress';
import TextField from '@material-ui/core/TextField';
import { useCallback, useState } from 'react';
import { whydownApiRef } from '../api';
import { Investigation } from './Investigation';
import { RecentIncidents } from './RecentIncidents';
import { RefusalPanel } from './RefusalPanel';

/** Asks why the page's entity is down, follows the answer, and lists what was asked before. */
export function WhydownCard() {
  const { entity } = useEntity();
  const entityRef = stringifyEntityRef(entity);
  // Another entity on the same page starts with a card of its own.
  return <EntityCard key={entityRef} entityRef={entityRef} name={entity.metadata.name} />;
}

function EntityCard({ entityRef, name }: { entityRef: string; name: string }) {
  const api = useApi(whydownApiRef);
  const [errors, setErrors] = useState('');
  const [asking, setAsking] = useState(false);
  const [refused, setRefused] = useState<Error>();
  const [shown, setShown] = useState<string>();
  const [finished, setFinished] = useState(0);
  const onFinished = useCallback(() => setFinished(count => count + 1), []);

  async function analyze() {
    setAsking(true);
    setRefused(undefined);
    setShown(undefined);
    try {
      setShown(await api.analyze(entityRef, errors));
    } catch (failure) {
      setRefused(failure as Error);
    } finally {
      setAsking(false);
    }
  }

  return (
    <InfoCard title="Incident analysis" subheader="Why is it down? Whydown's hypothesis, with its evidence.">
      <TextField
        fullWidth
        multiline
        minRows={3}
        maxRows={10}
        variant="outlined"
        placeholder="Paste error messages or log excerpts here (optional)"
        inputProps={{ 'aria-label': 'Error messages or log excerpts' }}
        value={errors}
        onChange={event => setErrors(event.target.value)}
        disabled={asking}
      />
      <Button
        variant="contained"
        color="primary"
        onClick={analyze}
        disabled={asking}
        startIcon={asking ? <CircularProgress size={16} /> : undefined}
        style={{ marginTop: 8, marginBottom: 8 }}
      >
        Analyze incident
      </Button>
      {refused && <RefusalPanel error={refused} />}
      {shown && <Investigation key={shown} id={shown} entityRef={entityRef} onFinished={onFinished} />}
      <RecentIncidents entityRef={entityRef} name={name} shown={shown} changes={finished} onShow={setShown} />
    </InfoCard>
  );
}
