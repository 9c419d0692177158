# Two images, a target each: locked dependencies, no shell, no package manager, no root. docs/image.md says what is in them.
#
#   docker build --target operator -t theazo-operator:dev .
#   docker build --target api -t theazo-api:dev .

FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY hack/image/requirements.txt ./
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt
# Makes a folder the same whenever and wherever it is built: no file's time, and no bytecode that holds one. Bytecode is
# never compared with its source: nothing can change in an image, and nothing could be written.
COPY hack/image/settle.sh ./
# Dependencies first: they change less often than the code, and their layers are then reused. Each image has its own: what the
# operator needs of the SDK makes no requests, and the API knows nothing of kopf. cffi needs pycparser for compiling only.
COPY pyproject.toml uv.lock README.md ./
COPY sdk/python/pyproject.toml sdk/python/
RUN set -e; \
    install() { \
      /opt/build/bin/uv export --frozen --no-dev --no-emit-workspace --quiet --output-file locked.txt \
        --prune httpx2 --prune pycparser "$@"; \
      /opt/build/bin/uv pip install --python python3 --target "$target" --no-deps --require-hashes \
        --requirements locked.txt; \
      sh settle.sh "$target"; \
    }; \
    target=/operator/app install; \
    target=/api/app install --extra api --prune kopf
COPY sdk/python sdk/python
COPY operator operator
# By name, and by pip: uv would note when the wheels were made, and either where they lay if it got paths.
RUN set -e; \
    /opt/build/bin/uv build --wheel --all-packages --no-build-isolation --python /opt/build --out-dir /wheels; \
    /opt/build/bin/pip install --target /ours/app --no-deps --no-index --no-compile --find-links /wheels \
      theazo theazo-operator; \
    sh settle.sh /ours/app

FROM gcr.io/distroless/python3-debian13:nonroot AS base
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
LABEL org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM base AS operator
COPY --from=build /operator /
COPY --from=build /ours /
LABEL org.opencontainers.image.title="theazo-operator" \
      org.opencontainers.image.description="Gives each AI agent exactly the secrets that it declared, and nothing else"
ENTRYPOINT ["/usr/bin/python3.13", "-m", "theazo_operator"]

FROM base AS api
COPY --from=build /api /
COPY --from=build /ours /
LABEL org.opencontainers.image.title="theazo-api" \
      org.opencontainers.image.description="The REST API of Theazo Secrets: takes values in, and never gives one out"
ENTRYPOINT ["/usr/bin/python3.13", "-m", "theazo_operator.api"]
