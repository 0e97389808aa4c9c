import { WarningPanel } from '@backstage/core-components';
import Button from '@material-ui/core/Button';
import Typography from '@material-ui/core/Typography';
import { refusal } from '../refusal';

/** Says why something could not be had, and offers to try again where `onRetry` is given. */
export function RefusalPanel({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const { title, message } = refusal(error);
  return (
    <WarningPanel severity="warning" title={title} defaultExpanded>
      <Typography variant="body2">{message}</Typography>
      {onRetry && (
        <Button size="small" variant="outlined" onClick={onRetry} style={{ marginTop: 8 }}>
          Try again
        </Button>
      )}
    </WarningPanel>
  );
}
