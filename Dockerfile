# docker build -t holly-triton .
# docker run --rm --gpus all -v "$PWD:/data" holly-triton demo --out demo
FROM python:3.12-slim
# The libraries of VTK, which draws without a window, and a compiler for Triton. Debian keeps one version of each, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libgl1 libegl1 libxrender1 gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir -c constraints.txt '.[all]' && holly-triton doctor
WORKDIR /data
ENTRYPOINT ["holly-triton"]
CMD ["--help"]
