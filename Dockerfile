# One image, several commands: the worker by default; ops/compose.yaml names the others.
#
# The tag is exact. To pin the bytes too, append the digest that your registry reports:
#     docker buildx imagetools inspect python:3.12.12-slim-bookworm --format '{{.Manifest.Digest}}'
#     FROM python:3.12.12-slim-bookworm@sha256:...
#
# The test of the build runs the instructions of the first stage below a temporary folder: its RUN lines name no
# absolute path.

FROM python:3.12.12-slim-bookworm AS build
ENV VIRTUAL_ENV=/opt/venv \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1
ENV PATH=$VIRTUAL_ENV/bin:$PATH
WORKDIR /app
RUN python -m venv "$VIRTUAL_ENV"
COPY requirements.txt ./
RUN pip install --require-hashes --only-binary :all: -r requirements.txt
COPY . ./
# Installed editable, since the programs read sql/ beside them; compiled here, since the image is read-only later.
RUN pip install --require-hashes --only-binary :all: -r ops/compose/requirements-build.txt \
    && pip install --no-deps --no-build-isolation --editable . \
    && pip uninstall --yes setuptools \
    && python -m compileall -q --invalidation-mode unchecked-hash procrastinate_app web ops


# For ops/compose/development.yaml: the emulator draws and reads pictures, for which production needs no library.
FROM build AS development
ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XIMILAR_ENV_FILE=
RUN pip install --require-hashes --only-binary :all: -r ops/requirements-dev.txt
USER 65532:65532
HEALTHCHECK NONE
CMD ["python", "-m", "ops.emulator", "--help"]


FROM python:3.12.12-slim-bookworm AS release
# HOME: the user has none. XIMILAR_ENV_FILE: settings come from the environment, never from a file in the image.
ENV VIRTUAL_ENV=/opt/venv \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XIMILAR_ENV_FILE=
ENV PATH=$VIRTUAL_ENV/bin:$PATH
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-m", "procrastinate_app", "health"]
CMD ["python", "-m", "procrastinate_app", "worker"]
