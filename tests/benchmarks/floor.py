"""The floor: the least that a door on SQLite can do. A Flask route that verifies an HMAC and commits one row.

Run by gunicorn, with the database's path in ``FLOOR_DATABASE`` and the secret in ``FLOOR_SECRET``.
"""

from __future__ import annotations

import base64
import hmac
import os
import sqlite3
import threading
import time

from flask import Flask, Response, request

KEY = base64.b64decode(os.environ["FLOOR_SECRET"].removeprefix("whsec_"))
LOCK = threading.Lock()  # one connection: SQLite's own lock is unfair between threads
CONNECTION = sqlite3.connect(os.environ["FLOOR_DATABASE"], isolation_level=None, check_same_thread=False)
for pragma in ("journal_mode=WAL", "synchronous=FULL"):
    CONNECTION.execute(f"PRAGMA {pragma}")
CONNECTION.execute("CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, at REAL, body BLOB)")

app = Flask(__name__)


@app.post("/hooks")
def hear() -> Response:
    body = request.get_data(cache=False)
    number, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    digest = hmac.digest(KEY, f"{number}.{at}.".encode() + body, "sha256")
    expected = "v1," + base64.b64encode(digest).decode()
    if not hmac.compare_digest(expected, request.headers["webhook-signature"]):
        return Response(status=401)
    with LOCK:
        CONNECTION.execute("BEGIN IMMEDIATE")
        CONNECTION.execute("INSERT INTO deliveries VALUES (?, ?, ?)", (number, time.time(), body))
        CONNECTION.execute("COMMIT")
    return Response(status=202)


@app.get("/healthz")
def alive() -> Response:
    return Response(status=200)
