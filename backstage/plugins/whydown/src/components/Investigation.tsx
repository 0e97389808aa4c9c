import { Progress } from '@backstage/core-components';
import Box from '@material-ui/core/Box';
import Typography from '@material-ui/core/Typography';
import { isFinished } from '../incident';
import { useIncident } from '../useIncident';
import { DiagnosisView } from './DiagnosisView';
import { Judgement } from './Judgement';
import { PageLink } from './PageLink';
import { RefusalPanel } from './RefusalPanel';
import { Stages } from './Stages';

/** One incident, followed until it is finished. */
export function Investigation({ id, entityRef }: { id: string; entityRef: string }) {
  const { incident, error } = useIncident(id, entityRef);
  return (
    <Box component="section" aria-label="Analysis" marginBottom={2}>
      {error && <RefusalPanel error={error} />}
      {!incident && !error && <Progress />}
      {incident && (
        <>
          <Typography variant="subtitle1">{incident.title}</Typography>
          <Stages incident={incident} />
          {incident.detail && <Typography variant="body2">{incident.detail}</Typography>}
          {incident.diagnosis && <DiagnosisView diagnosis={incident.diagnosis} />}
          {incident.diagnosis && isFinished(incident) && <Judgement incident={incident} entityRef={entityRef} />}
          <Typography variant="body2">
            <PageLink url={incident.pageUrl}>Open the incident in Whydown</PageLink>
          </Typography>
        </>
      )}
    </Box>
  );
}
