"""
A web service that answers in microseconds
==========================================

A compiled model predicts a row in a few microseconds, without scikit-learn. Around it
is a service of Python's standard library, in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

from fastmlp import MLPClassifier, save_model

# %%
# A model is fitted and saved. The file holds numbers and texts, no code.

X, y = load_wine(return_X_y=True)
model = MLPClassifier((64, 64), standardize_X=True, random_state=0).fit(X, y)
folder = Path(tempfile.mkdtemp())
save_model(model, folder / "wine.safetensors")

# %%
# The service reads it once and answers with probabilities. It says what it does not
# understand. A server for many users would be behind a proxy, but the prediction in
# it would be the same two lines.

SERVICE = """
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter

import numpy as np

from fastmlp.runtime import load_predictor

predictor = load_predictor("wine.safetensors")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave in one packet

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            row = np.array([json.loads(body)], dtype=predictor.dtype)
            start = perf_counter()
            p = predictor.predict_proba(row)[0]
            answer = {"p": p.tolist(), "seconds": perf_counter() - start}
            status = 200
        except ValueError as error:  # of JSON, of NumPy or of the predictor
            answer, status = {"error": str(error)}, 400
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, "sklearn" in sys.modules, flush=True)
server.serve_forever()
"""
(folder / "service.py").write_text(SERVICE)
service = subprocess.Popen(
    [sys.executable, "service.py"], cwd=folder, stdout=subprocess.PIPE, text=True
)
port, loads_sklearn = service.stdout.readline().split()
print(f"scikit-learn is loaded in the service: {loads_sklearn}")

# %%
# A client asks 2,000 times over one connection.

connection = HTTPConnection("127.0.0.1", int(port))


def ask(row):
    """Send a row; return the answer."""
    connection.request("POST", "/", json.dumps(row))
    return json.loads(connection.getresponse().read())


rows = X[np.random.default_rng(0).integers(len(X), size=2000)].tolist()
answers, whole = [], []
for row in rows:
    start = perf_counter()
    answers.append(ask(row))
    whole.append(perf_counter() - start)
inside = [answer["seconds"] for answer in answers]
print(f"a question and its answer: median {1e6 * np.median(whole):.0f} microseconds")
print(f"the prediction within:     median {1e6 * np.median(inside):.1f} microseconds")
p = np.array([answer["p"] for answer in answers])
print("same as the model:", np.allclose(p, model.predict_proba(rows)))
print(ask([1.0, 2.0]))

connection.close()
service.terminate()
service.communicate()

# %%
# Nearly all of the time is that of HTTP and JSON.

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
bins = np.geomspace(1, 3e4, 80)
axis.hist(1e6 * np.array(inside), bins, alpha=0.7, label="prediction")
axis.hist(1e6 * np.array(whole), bins, alpha=0.7, label="question and answer")
axis.set(xscale="log", xlabel="microseconds", ylabel="requests")
axis.legend()
plt.show()
