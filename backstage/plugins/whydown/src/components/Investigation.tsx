import { Progress } from '@backstage/core-components';
import Box from '@material-ui/core/Box';
import Typography from '@material-ui/core/Typography';
import { useEffect } from 'react';
import { isFinished } from '../incident';
import { useIncident } from '../useIncident';
import { DiagnosisView } from './DiagnosisView';
import { Heading } from './Heading';
import { Judgement } from './Judgement';
import { PageLink } from './PageLink';
import { RefusalPanel } from './RefusalPanel';
import { Stages } from './Stages';

interface InvestigationProps {
  readonly id: string;
  readonly entityRef: string;
  readonly onFinished: () => void;
}

/** One incident, followed until it is finished. */
export function Investigation({ id, entityRef, onFinished }: InvestigationProps) {
  const { incident, error } = useIncident(id, entityRef);
  const finished = incident !== undefined && isFinished(incident);

  useEffect(() => {
    if (finished) {
      onFinished();
    }
  }, [finished, onFinished]);

  return (
    <Box component="section" aria-label="Analysis" marginBottom={2}>
      {error && <RefusalPanel error={error} />}
      {!incident && !error && <Progress />}
      {incident && (
        <>
          <Heading>{incident.title}</Heading>
          <Stages incident={incident} />
          {incident.detail && <Typography variant="body2">{incident.detail}</Typography>}
          {incident.coveredBy && (
            <Typography variant="body2">
              It is covered by the analysis of {incident.coveredBy.service}: {incident.coveredBy.title}. Its page in Whydown leads
              there.
            </Typography>
          )}
          {incident.diagnosis && <DiagnosisView diagnosis={incident.diagnosis} />}
          {incident.diagnosis && finished && <Judgement incident={incident} entityRef={entityRef} />}
          <Typography variant="body2">
            <PageLink url={incident.pageUrl}>Open the incident in Whydown</PageLink>
          </Typography>
        </>
      )}
    </Box>
  );
}
