# One image for the operator: locked dependencies, no shell, no package manager, no root.
#
#   docker build --target operator -t theazo-operator:dev .

FROM python:3.13-slim-trixie AS build
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /src
# Dependencies first: they change less often than the code, and their layer is then reused.
COPY pyproject.toml uv.lock README.md ./
COPY sdk/python/pyproject.toml sdk/python/
RUN /opt/uv/bin/uv export --frozen --no-dev --no-emit-workspace --output-file requirements.txt --quiet \
 && /opt/uv/bin/uv pip install --python python3 --target /app --require-hashes --requirements requirements.txt
COPY sdk/python sdk/python
COPY operator operator
RUN /opt/uv/bin/uv pip install --python python3 --target /app --no-deps ./sdk/python . \
 && rm -rf /app/bin \
 && python3 -m compileall -q -j 0 /app

FROM gcr.io/distroless/python3-debian13:nonroot AS operator
LABEL org.opencontainers.image.title="theazo-operator" \
      org.opencontainers.image.description="Gives each AI agent exactly the secrets that it declared, and nothing else" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/python3.13", "-m", "theazo_operator"]
