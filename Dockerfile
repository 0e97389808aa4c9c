# syntax=docker/dockerfile:1
# Pinned by full version; pin by digest too where your registry's digest is known to you.
FROM python:3.13.12-slim-trixie AS build
WORKDIR /build
RUN python -m venv /opt/whydown
# With all extras: --build-arg LOCK=requirements-extras.lock
ARG LOCK=requirements.lock
COPY ${LOCK} ./
RUN /opt/whydown/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement ${LOCK}
COPY . ./
RUN /opt/whydown/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/whydown/bin/pip uninstall --yes setuptools pip

FROM python:3.13.12-slim-trixie
# git reads the checkouts in WHYDOWN_REPOSITORIES.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin whydown \
    && install --directory --owner=whydown --group=whydown --mode=0700 /data
COPY --from=build /opt/whydown /opt/whydown
ENV PATH=/opt/whydown/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WHYDOWN_DATA=/data
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["whydown"]
CMD ["web", "--host", "0.0.0.0"]
