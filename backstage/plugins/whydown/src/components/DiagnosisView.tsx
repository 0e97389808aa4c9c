import { CopyTextButton } from '@backstage/core-components';
import Box from '@material-ui/core/Box';
import Typography from '@material-ui/core/Typography';
import { makeStyles } from '@material-ui/core/styles';
import type { ReactNode } from 'react';
import type { Citation, Diagnosis, SuggestedAction } from '../incident';
import { Heading } from './Heading';

const KINDS = { immediate: 'Immediate', verify: 'Verify', afterFix: 'After fix' };

const useStyles = makeStyles(theme => ({
  item: { marginBottom: theme.spacing(1) },
  list: { margin: 0, paddingLeft: theme.spacing(3) },
  text: { overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' },
  quote: {
    fontFamily: 'monospace',
    fontSize: '0.8rem',
    overflowWrap: 'anywhere',
    whiteSpace: 'pre-wrap',
    backgroundColor: theme.palette.background.default,
    padding: theme.spacing(0.5, 1),
    borderRadius: theme.shape.borderRadius,
  },
  verified: { color: theme.palette.success.dark },
  unverified: { color: theme.palette.error.main, fontWeight: 'bold' },
}));

/**
 * The diagnosis under the four headings of every Whydown page. What models and logs wrote stands here as plain text:
 * none of it becomes a link or markup.
 */
export function DiagnosisView({ diagnosis }: { diagnosis: Diagnosis }) {
  const classes = useStyles();
  const { probableCause, evidence, suggestedActions, relatedServices, missingData } = diagnosis;
  return (
    <>
      <Part title="Probable cause">
        <Typography variant="body1" className={classes.text}>
          {probableCause.statement}
        </Typography>
        <Typography variant="body2" color="textSecondary" paragraph>
          Confidence {Math.round(probableCause.confidence * 100)} %. {producedBy(diagnosis)}
        </Typography>
        {probableCause.citations.map(citation => (
          <Quote key={`${citation.fact} ${citation.quote}`} citation={citation} />
        ))}
      </Part>
      <Part title="Evidence" empty={!evidence.length && 'No evidence was found.'}>
        <ul className={classes.list}>
          {evidence.map(item => (
            <li key={`${item.fact} ${item.statement}`} className={classes.item}>
              <span className={classes.text}>{item.statement}</span>
              <Quote citation={item} />
            </li>
          ))}
        </ul>
      </Part>
      <Part title="Suggested actions" empty={!suggestedActions.length && 'None.'}>
        <ol className={classes.list}>
          {suggestedActions.map(action => (
            <Action key={`${action.kind} ${action.text}`} action={action} />
          ))}
        </ol>
      </Part>
      <Part title="Related services" empty={!relatedServices.length && 'None is known.'}>
        <ul className={classes.list}>
          {relatedServices.map(related => (
            <li key={related.service} className={classes.text}>
              <b>{related.service}</b>
              {related.inCatalog ? '' : ' (not in the catalog)'}: {related.reason}
            </li>
          ))}
        </ul>
      </Part>
      {missingData.length > 0 && (
        <Part title="What is missing">
          <ul className={classes.list}>
            {missingData.map(missing => (
              <li key={missing} className={classes.text}>
                {missing}
              </li>
            ))}
          </ul>
        </Part>
      )}
    </>
  );
}

function Part({ title, empty, children }: { title: string; empty?: string | false; children: ReactNode }) {
  return (
    <Box marginY={2}>
      <Heading>{title}</Heading>
      {empty ? <Typography variant="body2">{empty}</Typography> : children}
    </Box>
  );
}

/** A quote and whether code found it in the fact that it names. */
function Quote({ citation }: { citation: Citation }) {
  const classes = useStyles();
  return (
    <div className={classes.item}>
      <span className={citation.verified ? classes.verified : classes.unverified}>
        {citation.verified ? `✓ verified in ${citation.fact}` : '⚠ unverified'}
      </span>
      {citation.quote && <div className={classes.quote}>{citation.quote}</div>}
    </div>
  );
}

function Action({ action }: { action: SuggestedAction }) {
  const classes = useStyles();
  return (
    <li className={classes.item}>
      <span className={classes.text}>
        <b>{KINDS[action.kind] ?? action.kind}</b>: {action.text}
      </span>
      {action.command && (
        <Box display="flex" alignItems="center">
          <code className={classes.quote}>{action.command}</code>
          <CopyTextButton variant="tertiary" text={action.command} tooltipText="Copied" aria-label={`Copy ${action.command}`} />
        </Box>
      )}
    </li>
  );
}

function producedBy({ producedBy: { stage, model, reason } }: Diagnosis): string {
  if (stage === 'model') {
    return model ? `By ${model}.` : 'By a model.';
  }
  return reason ? `From the brief, without a model: ${reason}` : 'From the brief; the model has not answered yet.';
}
