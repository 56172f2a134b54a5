# syntax=docker/dockerfile:1
# The Python that the requirements were pinned with.
FROM python:3.11.15-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --require-hashes -r requirements.txt
COPY . /app
WORKDIR /app
RUN DEBUG=false SECRET_KEY=$(/venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(60))') ALLOWED_HOSTS=build /venv/bin/python manage.py collectstatic --noinput

FROM python:3.11.15-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app app
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PORT=8000
USER app
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["sh", "-c", "exec uvicorn syncmonitor.asgi:application --host 0.0.0.0 --port $PORT --http syncmonitor.protocol:Protocol --ws none --proxy-headers --timeout-graceful-shutdown 5"]
