# Two images, a target each: locked dependencies, no shell, no package manager, no root.
#
#   docker build --target operator -t theazo-operator:dev .
#   docker build --target api -t theazo-api:dev .

FROM python:3.13-slim-trixie AS build
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /src
# Dependencies first: they change less often than the code, and their layers are then reused. Each image has its own: what the
# operator needs of the SDK makes no requests, and the API knows nothing of kopf.
COPY pyproject.toml uv.lock README.md ./
COPY sdk/python/pyproject.toml sdk/python/
RUN set -e; \
    install() { \
      /opt/uv/bin/uv export --frozen --no-dev --no-emit-workspace --quiet --output-file requirements.txt "$@"; \
      /opt/uv/bin/uv pip install --python python3 --target "$target" --require-hashes --requirements requirements.txt; \
    }; \
    target=/operator install --prune httpx2; \
    target=/api install --extra api --prune httpx2 --prune kopf
COPY sdk/python sdk/python
COPY operator operator
RUN for target in /operator /api; do \
      /opt/uv/bin/uv pip install --python python3 --target $target --no-deps ./sdk/python . \
      && rm -rf $target/bin \
      && python3 -m compileall -q -j 0 $target || exit 1; \
    done

FROM gcr.io/distroless/python3-debian13:nonroot AS operator
LABEL org.opencontainers.image.title="theazo-operator" \
      org.opencontainers.image.description="Gives each AI agent exactly the secrets that it declared, and nothing else" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /operator /app
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/python3.13", "-m", "theazo_operator"]

FROM gcr.io/distroless/python3-debian13:nonroot AS api
LABEL org.opencontainers.image.title="theazo-api" \
      org.opencontainers.image.description="The REST API of Theazo Secrets: takes values in, and never gives one out" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /api /app
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/python3.13", "-m", "theazo_operator.api"]
