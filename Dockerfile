# The command line of metricvae on the CPU, for an unprivileged user. Build it in a clone of the repository:
#   docker build -t metricvae .
#   docker run --rm -v "$PWD:/data" metricvae predict overlap a.png b.png
#   docker run --rm -p 8000:8000 -v "$PWD:/data" metricvae serve --host 0.0.0.0 --folder /data/served --token TOKEN
# A registry or a mirror of packages is a setting of pip: --build-arg PIP_INDEX_URL=...

FROM python:3.12.8-slim-bookworm AS wheel
ARG PIP_INDEX_URL
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY constraints ./constraints
COPY src ./src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12.8-slim-bookworm AS environment
ARG PIP_INDEX_URL
ARG EXTRAS=reproduce,chem,maps,search,web
# The index that PyTorch's installation page names for the CPU has builds without CUDA, a tenth of the size; by default
# the build of the main index is taken.
ARG TORCH_INDEX_URL
COPY constraints/cpu.txt /constraints.txt
COPY --from=wheel /wheels /wheels
ENV VIRTUAL_ENV=/opt/metricvae PATH=/opt/metricvae/bin:$PATH
RUN python -m venv /opt/metricvae \
    && pip install --no-cache-dir -c /constraints.txt ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch \
    && wheel="$(echo /wheels/metricvae-*.whl)" \
    && pip install --no-cache-dir -c /constraints.txt "${wheel}[${EXTRAS}]"

FROM python:3.12.8-slim-bookworm
# RDKit draws by these libraries; versions are those of the pinned base image's release of Debian.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends -y libexpat1 libxext6 libxrender1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 metricvae \
    && mkdir /data \
    && chown metricvae /data
COPY --from=environment /opt/metricvae /opt/metricvae
ENV PATH=/opt/metricvae/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/home/metricvae/.cache/numba \
    MPLCONFIGDIR=/home/metricvae/.cache/matplotlib
USER 10001
WORKDIR /data
ENTRYPOINT ["metricvae"]
CMD ["--help"]
