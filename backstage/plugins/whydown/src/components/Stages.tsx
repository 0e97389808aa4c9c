import Step from '@material-ui/core/Step';
import StepLabel from '@material-ui/core/StepLabel';
import Stepper from '@material-ui/core/Stepper';
import Typography from '@material-ui/core/Typography';
import { type Coverage, type Incident, isFinished } from '../incident';

const STAGES = [
  { status: 'queued', label: 'Queued', said: 'Waiting for its turn' },
  { status: 'gathering', label: 'Gathering', said: 'Collecting changes, logs and known rules' },
  { status: 'diagnosing', label: 'Diagnosing', said: 'Weighing what was found' },
] as const;

const ENDS = { done: 'Done', skipped: 'Skipped', failed: 'Failed', cancelled: 'Cancelled' };

/** How far the investigation is, and which sources did not answer. */
export function Stages({ incident }: { incident: Incident }) {
  const { status } = incident;
  const current = STAGES.findIndex(stage => stage.status === status);
  const end = status in ENDS ? ENDS[status as keyof typeof ENDS] : 'Done';
  const gaps = incident.coverage.filter(isGap);
  return (
    <>
      <Stepper alternativeLabel activeStep={isFinished(incident) ? STAGES.length + 1 : current} style={{ padding: '8px 0' }}>
        {[...STAGES.map(stage => stage.label), end].map(label => (
          <Step key={label}>
            <StepLabel error={label === ENDS.failed}>{label}</StepLabel>
          </Step>
        ))}
      </Stepper>
      <Typography variant="body2" role="status">
        {isFinished(incident) ? end : `${STAGES[current]?.said ?? status} …`}
      </Typography>
      {gaps.length > 0 && (
        <Typography variant="body2" color="textSecondary">
          Did not answer: {gaps.map(gap => `${gap.source} (${gap.status})`).join(', ')}
        </Typography>
      )}
    </>
  );
}

function isGap({ status }: Coverage): boolean {
  return ['timeout', 'denied', 'error'].includes(status);
}
