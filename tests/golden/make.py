"""Make the golden model files of a release: ``python tests/golden/make.py VERSION``.

Every later fastmlp must load them and predict the values in ``predictions.json``.
Files of a released version are never made anew.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from helpers import fitted_tables
from helpers.models import TASKS, data, fitted, proba_or_values

from fastmlp import save_model


def main(version, parent=Path(__file__).parent):
    """Write the files of a version, beside this script unless told otherwise."""
    folder = Path(parent) / version
    folder.mkdir()
    predictions = {}
    for i, task in enumerate(TASKS):
        dtype = ("float32", "float64")[i % 2]
        activation = ("relu", "tanh", "logistic", "softplus", ("leaky_relu", 0.3))[
            i % 5
        ]
        model = fitted(
            task, dtype, activation=activation, hidden_layer_sizes=(5, 3), max_iter=8
        )
        save_model(model, folder / f"{task}.safetensors", optimizer=i == 1)
        X, _ = data(task, 4)
        predictions[task] = {
            "X": X.tolist(),
            "values": np.asarray(proba_or_values(model, X), float).tolist(),
            "predict": model.predict(X).tolist(),
        }
    (folder / "predictions.json").write_text(json.dumps(predictions))
    write_tables(folder)


def write_tables(folder):
    """Write the files of models of tables."""
    predictions, X = {}, fitted_tables.table()[:6]
    for i, task in enumerate(("multiclass", "multilabel", "two outputs")):
        name, dtype = f"table_{task.replace(' ', '_')}", ("float32", "float64")[i % 2]
        params = {"hidden_layer_sizes": (5, 3), "n_members": 1 + i}
        model = fitted_tables.fitted(task, dtype, **params)
        save_model(model, folder / f"{name}.safetensors")
        predictions[name] = {
            "X": X.to_dict("records"),
            "values": fitted_tables.proba_or_values(model, X).tolist(),
        }
    (folder / "tables.json").write_text(json.dumps(predictions))


if __name__ == "__main__":
    main(*sys.argv[1:])
