# One image for the router, the experts and the secrets service: see docker-compose.yml and docs/deploy.md.

FROM python:3.11-slim AS build
# Where pip finds torch; empty: pip's own default. A CPU build of torch is ten times smaller than the default one.
ARG TORCH_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /build
# Dependencies first: they stay cached while the sources change.
COPY constraints.txt pyproject.toml ./
RUN pip install --constraint constraints.txt 'setuptools>=80' && \
    pip install --constraint constraints.txt ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} 'torch>=2.13,<2.14' && \
    python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      > dependencies.txt && \
    pip install --constraint constraints.txt --requirement dependencies.txt
COPY . .
RUN pip install --no-deps --no-build-isolation .

# The development chain of the compose profile "chain", and nothing of Moray's.
FROM node:22-slim AS chain
WORKDIR /opt/chain
COPY package.json package-lock.json ./
RUN npm install --no-save --no-audit --no-fund && \
    install --directory --mode 0700 --owner node --group node /var/lib/chain
ENV PATH=/opt/chain/node_modules/.bin:$PATH
COPY deploy/chain.sh /opt/moray/deploy/
USER node
CMD ["/opt/moray/deploy/chain.sh"]

FROM python:3.11-slim
# Kernels are compiled for the CPU at hand when first used, and kept in the volume.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/var/lib/moray/cache
# The state directory belongs to the user here, and so does the volume that is first mounted on it.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin moray && \
    install --directory --mode 0700 --owner moray --group moray /var/lib/moray
COPY --from=build /opt/venv /opt/venv
COPY deploy/ray.sh deploy/router.sh deploy/expert.sh deploy/secrets.sh /opt/moray/deploy/
USER 10001:10001
# For the router; docker-compose.yml turns it off where nothing serves HTTP.
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('MORAY_HTTP_PORT', '8000') + '/healthz', timeout=4)"]
CMD ["moray", "--help"]
