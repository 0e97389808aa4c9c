"""The one way to read and write incidents: `intake` takes them in, `work` hands out what must be done, `findings` keeps
what was found out, `reading` shows it, `deployments` keeps reported deploys.
"""
