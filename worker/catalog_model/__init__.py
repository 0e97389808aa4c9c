"""Backstage's model of a catalog, as both catalogs use it: entities, their documents, and what an alert is about."""
