# syntax=docker/dockerfile:1
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/countersign
ENV PATH=/opt/countersign/bin:$PATH
WORKDIR /src
COPY requirements requirements
RUN pip install --require-hashes -r requirements/base.txt
# The build backend, in the version and with the hashes that developers have.
RUN awk '/^[^ ]/ {wanted = /^setuptools==/} wanted' requirements/dev.txt > build.txt \
    && python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r build.txt
COPY pyproject.toml README.md LICENSE worker.py ./
COPY domain domain
COPY workflows workflows
COPY activities activities
COPY storage storage
COPY starter starter
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && pip install --no-deps wheels/*.whl

FROM python:3.13-slim-bookworm
COPY --from=build /opt/countersign /opt/countersign
COPY catalog /usr/share/countersign/catalog
ENV PATH=/opt/countersign/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --create-home countersign
USER countersign
WORKDIR /home/countersign
CMD ["python", "-m", "worker"]
